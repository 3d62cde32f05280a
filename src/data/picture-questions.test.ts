import { writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { pictureQuestions } from "./picture-questions.ts";

const folder = useTemporaryFolder();
const decoder = new ImageDecoder();

beforeAll(async () => {
  const create = { width: 4, height: 4, channels: 3 as const, background: "red" };
  await sharp({ create }).png().toFile(join(folder, "a.png"));
  writeFileSync(join(folder, "b.png"), "no picture");
});

function write(name: string, rows: readonly object[]): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  return path;
}

describe("questions about pictures", () => {
  test("have answers as texts, lists or VQA's objects, several of one picture", async () => {
    const path = write("good.jsonl", [
      { image: "a.png", question: "What? ", answers: ["red", "red", "dark"] },
      { image: "a.png", question: "How many?", answers: [{ answer: "two" }, { answer: 2 }] },
      { image: "a.png", question: "Who?", answers: "nobody" },
    ]);
    const { pairs, badRows } = await pictureQuestions(path, decoder);
    expect(badRows).toEqual([]);
    expect(pairs.map(({ question, answers }) => [question, answers])).toEqual([
      ["What?", ["red", "red", "dark"]],
      ["How many?", ["two", "2"]],
      ["Who?", ["nobody"]],
    ]);
  });

  test("that cannot be used are left out by kind, or stop a strict reader", async () => {
    const path = write("mixed.jsonl", [
      { image: "a.png", question: "What?", answers: ["red"] },
      { image: "a.png", question: "", answers: ["red"] },
      { image: "a.png", question: "What?", answers: [] },
      { image: "b.png", question: "What?", answers: ["red"] },
      { image: "c.png", question: "What?", answers: ["red"] },
    ]);
    const { pairs, badRows } = await pictureQuestions(path, decoder);
    expect(pairs).toHaveLength(1);
    const kinds = badRows.map(({ line, kind }) => [line, kind]);
    expect(kinds).toEqual([
      [2, "empty question"],
      [3, "no answer"],
      [4, "wrong type image"],
      [5, "missing image"],
    ]);
    await expect(pictureQuestions(path, decoder, { strict: true })).rejects.toThrow(
      /mixed\.jsonl:2: question/,
    );
  });

  test("need their columns", async () => {
    const path = write("none.jsonl", [{ image: "a.png", caption: "red" }]);
    await expect(pictureQuestions(path, decoder)).rejects.toThrow(/must have a question column/);
  });
});
