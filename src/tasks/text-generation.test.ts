import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyGpt2 } from "../../test/support/tiny-generators.ts";
import { tinyConfig, writeTinyModel } from "../../test/support/tiny-model.ts";
import { pipeline, type TextGenerationPipeline } from "./pipeline.ts";

const folder = useTemporaryFolder();
let generate: TextGenerationPipeline;
beforeAll(async () => {
  generate = await pipeline("text-generation", await writeTinyModel(join(folder, "gpt2"), tinyGpt2));
});
afterAll(() => generate.dispose());

const prompts = ["the book of", "john lives in london , and", "a"];
const options = { max_new_tokens: 8, min_new_tokens: 8 };

describe("text generation", () => {
  test("gives a list for a text and a list of lists for several, as transformers.js does", async () => {
    const single = await generate(prompts[0]!, options);
    expect(single).toEqual([{ generated_text: expect.stringMatching(/^the book of ./) }]);
    const several = await generate(prompts, options);
    expect(several.map((answers) => answers.length)).toEqual([1, 1, 1]);
    expect(several[0]).toEqual(single);
    expect(await generate({ text: prompts[0]! }, options)).toEqual(single);
  });

  test("gives what follows alone where that is asked for", async () => {
    const [whole] = await generate(prompts[0]!, options);
    const [added] = await generate(prompts[0]!, { ...options, return_full_text: false });
    expect(prompts[0] + added!.generated_text).toBe(whole!.generated_text);
  });

  test("gives several answers, best first, without special tokens", async () => {
    const answers = await generate(prompts[1]!, {
      num_beams: 4,
      num_return_sequences: 3,
      max_new_tokens: 12,
    });
    expect(new Set(answers.map(({ generated_text }) => generated_text)).size).toBe(3);
    for (const { generated_text } of answers) expect(generated_text).not.toContain("[SEP]");
  });

  test("streams the pieces of the same answer", async () => {
    for (const prompt of prompts) {
      const [whole] = await generate(prompt, options);
      const pieces = [];
      for await (const piece of generate.stream(prompt, options)) pieces.push(piece);
      expect(pieces.length).toBeGreaterThan(1);
      expect(prompt + pieces.join("")).toBe(whole!.generated_text);
    }
  });

  test("begins an empty text with the model's first token", async () => {
    const [answer] = await generate("", options);
    expect(answer!.generated_text.length).toBeGreaterThan(0);
  });

  test("refuses unknown options, and a text as long as the model's positions", async () => {
    // @ts-expect-error: no option of generation
    await expect(generate(prompts[0]!, { temprature: 2 })).rejects.toThrow(/temprature/);
    await expect(generate("the book ".repeat(100))).rejects.toThrow(
      /shorter than the model's 160 tokens, got 200/,
    );
  });

  test("answers any text or says what is wrong with it", async () => {
    for (const text of ["😀", "\ud800", "שלום", "\u0000", " ", "中文".repeat(10)]) {
      expect(await generate(text, { max_new_tokens: 2 })).toHaveLength(1);
    }
  });

  test("needs a model that generates, and a model that generates has no other task", async () => {
    const path = await writeTinyModel(join(folder, "filler"), tinyConfig("BertForMaskedLM"));
    await expect(pipeline("text-generation", path)).rejects.toThrow(
      /BertForMaskedLM is for fill-mask and cannot do text-generation/,
    );
    await expect(pipeline("fill-mask", join(folder, "gpt2"))).rejects.toThrow(
      /GPT2LMHeadModel is for text-generation and cannot do fill-mask/,
    );
  });
});
