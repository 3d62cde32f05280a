import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { interleavedExamples } from "./interleaved.ts";

const folder = useTemporaryFolder();
const decoder = new ImageDecoder({ maxFrames: 1 });

beforeAll(async () => {
  mkdirSync(join(folder, "pictures"));
  for (const [name, level] of Object.entries({ dark: 10, light: 200 }))
    await sharp(Buffer.alloc(12, level), { raw: { width: 2, height: 2, channels: 3 } })
      .png()
      .toFile(join(folder, "pictures", `${name}.png`));
  writeFileSync(join(folder, "pictures", "page.png"), "<html>not a picture</html>");
});

function lines(name: string, rows: readonly object[]): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  return path;
}
const [dark, light] = ["pictures/dark.png", "pictures/light.png"];

describe("documents of pictures and texts", () => {
  test("are given up to their first picture and learned from there on", async () => {
    const text = "Look: <image> is dark, <image> is light.";
    const { pairs, badRows } = await interleavedExamples(
      lines("documents.jsonl", [{ images: [dark, light], text }]),
      decoder,
    );
    expect(badRows).toEqual([]);
    const [{ pictures, ...document }] = pairs as [(typeof pairs)[number]];
    expect(document).toMatchObject({
      kind: "document",
      prompt: "Look: <image>",
      answers: [" is dark, <image> is light."],
    });
    expect(pictures.map(({ source }) => source)).toEqual([join(folder, dark), join(folder, light)]);
  });

  test("that cannot be used are counted by kind, or stop a strict reader", async () => {
    const path = lines("mixed.jsonl", [
      { images: [dark], text: "<image> fine" },
      { images: [], text: "no picture" },
      { images: [dark, light], text: "<image> only one mark" },
      { images: [dark], text: "nothing behind it <image> " },
      { images: [dark, "pictures/none.png"], text: "<image> and <image>" },
      { images: ["pictures/page.png"], text: "<image> a page" },
    ]);
    const { pairs, badRows } = await interleavedExamples(path, decoder);
    expect(pairs).toHaveLength(1);
    expect(badRows.map(({ line, kind }) => [line, kind])).toEqual([
      [2, "missing image"],
      [3, "wrong image marks"],
      [4, "empty text"],
      [5, "missing image"],
      [6, "wrong type image"],
    ]);
    await expect(interleavedExamples(path, decoder, { strict: true })).rejects.toThrow(/mixed\.jsonl:2: /);
  });
});

describe("pictures with one text", () => {
  test("are captions or questions, as their columns say", async () => {
    const captions = lines("captions.jsonl", [{ image: dark, captions: ["night", "black"] }]);
    expect((await interleavedExamples(captions, decoder)).pairs).toMatchObject([
      { kind: "caption", prompt: "<image>", answers: ["night", "black"] },
    ]);
    const questions = lines("questions.jsonl", [
      { image: dark, question: "Is it dark?", answers: ["yes", "yes", "no"] },
    ]);
    expect((await interleavedExamples(questions, decoder)).pairs).toMatchObject([
      {
        kind: "question",
        prompt: "<image>Question:Is it dark? Short answer:",
        answers: ["yes", "yes", "no"],
      },
    ]);
  });
});
