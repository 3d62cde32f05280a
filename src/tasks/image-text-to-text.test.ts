import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, writeTinyFlamingo } from "../../test/support/tiny-images.ts";
import { openForTask, thisThread } from "./open-for-task.ts";
import { pipeline } from "./pipeline.ts";
import type { Predictor } from "./predictor.ts";
import { predictor } from "./tasks.ts";

const folder = useTemporaryFolder();
const flamingo = join(folder, "flamingo");
let answers: Predictor;
let pictures: Buffer[];

beforeAll(async () => {
  await writeTinyFlamingo(flamingo);
  pictures = await Promise.all([1, 2, 3, 4].map((seed) => pngOf(16, seed)));
  answers = predictor(await openForTask(flamingo, undefined, { threads: 1 }, thisThread));
});
afterAll(() => answers.release());

const options = { max_new_tokens: 6 };
const ask = async (...prompts: unknown[]): Promise<string[]> =>
  ((await answers.predict(prompts, options)) as { generated_text: string }[][]).map(
    ([best]) => best!.generated_text,
  );

describe("prompts of pictures and texts", () => {
  test("with examples are the same as one text with marks", async () => {
    const [a, b, c] = pictures;
    const [byExamples, byMarks, withoutExamples] = await ask(
      {
        image: c,
        text: "a",
        examples: [
          { image: a, text: "a red river" },
          { image: b, text: "a book" },
        ],
      },
      { images: [a, b, c], text: "<image>a red river<|endofchunk|><image>a book<|endofchunk|><image>a" },
      { image: c, text: "a" },
    );
    expect(byExamples).toBe(byMarks);
    expect(byExamples).not.toBe(withoutExamples);
  });

  test("answer in one batch as alone, whatever pictures and frames they have", async () => {
    const [a, b, c, d] = pictures;
    const prompts = [
      a,
      { image: b, text: "the film" },
      { image: [a, b, c], text: "was" },
      { images: [[a, b], [c, d]], text: "<image> good <image>" }, // biome-ignore format: two videos of two frames
      {
        image: d,
        examples: [
          { image: a, text: "one" },
          { image: b, text: "two" },
        ],
      },
    ];
    const together = await ask(...prompts);
    const alone: string[] = [];
    for (const prompt of prompts) alone.push((await ask(prompt))[0]!);
    expect(together).toEqual(alone);
    expect(new Set(alone).size).toBe(prompts.length);
  });

  test("depend on their pictures and frames, also in their order", async () => {
    const [a, b] = pictures;
    const [first, second, video] = await ask({ image: [a, b] }, { image: [b, a] }, { image: [a, a] });
    expect(new Set([first, second, video]).size).toBe(3);
  });

  test.each([
    ["more marks than images", (a: Buffer) => ({ images: [a], text: "<image><image>" }), /1 images, got 2/],
    ["a mark in the text of an example", (a: Buffer) => ({ image: a, text: "<image>" }), /1 images, got 2/],
    [
      "different numbers of frames",
      (a: Buffer) => ({ images: [a, [a, a]], text: "<image><image>" }),
      /as many frames, got 1 and 2/,
    ],
    ["too many frames", (a: Buffer) => ({ image: [a, a, a, a] }), /3 frames at most, got 4/],
    [
      "too many images",
      (a: Buffer) => ({ images: Array(9).fill(a), text: "<image>".repeat(9) }),
      /8 images at most, got 9/,
    ],
    ["an unknown field", (a: Buffer) => ({ image: a, question: "why" }), /"question"/],
  ])("are refused with %s", async (_, prompt, reason) => {
    await expect(answers.predict([prompt(pictures[0]!)])).rejects.toThrow(reason);
  });

  test("are answered by a pipeline, alone and in lists", async () => {
    const write = await pipeline("image-text-to-text", flamingo, { provider: "cpu", threads: 1 });
    const prompt = { image: pictures[0]!, text: "the" };
    const [alone, several] = [await write(prompt, options), await write([prompt, pictures[1]!], options)];
    expect(several[0]).toEqual(alone);
    expect(several).toHaveLength(2);
    await write.dispose();
  });
});
