import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyGpt2 } from "../../test/support/tiny-generators.ts";
import { pngOf, tinyFlamingo, writeTinyFlamingo } from "../../test/support/tiny-images.ts";
import { tinyTokenizer } from "../../test/support/tiny-model.ts";
import { ignoredLabel } from "../nn/losses.ts";
import { Random } from "../tensor/random.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { preparePairEvaluation } from "./pair-training.ts";

const folder = useTemporaryFolder();
const flamingo = join(folder, "flamingo");
const tokenizer = tinyTokenizer();
const image = tinyFlamingo.media_token_id;
const chunkEnd = tinyGpt2.eos_token_id as number;

beforeAll(async () => {
  await writeTinyFlamingo(flamingo);
  for (const seed of [1, 2, 3]) writeFileSync(join(folder, `${seed}.png`), await pngOf(16, seed));
});

async function prepared(name: string, rows: readonly object[]) {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  const model = { config: tinyFlamingo, tokenizer, plan: await readPreprocessor(flamingo) };
  return preparePairEvaluation("image-text-to-text", path, model, {});
}

const idsOf = (text: string): number[] => [
  ...tokenizer.encode(text, undefined, { addSpecialTokens: false }).ids,
];
const ignored = (count: number): number[] => new Array<number>(count).fill(ignoredLabel);

describe("sequences of pictures and texts", () => {
  test("ask for what follows the first picture, marks and padding aside, and fill up rows with fewer pictures", async () => {
    const { dataset } = await prepared("documents.jsonl", [
      { images: ["1.png"], text: "the film <image> good" },
      { images: ["2.png", "3.png"], text: "<image>red book<|endofchunk|><image>blue" },
    ]);
    const batch = await dataset.collate([0, 1], 1, new Random(1), 0);
    const [good, red, blue] = ["good", "red book", "blue"].map(idsOf) as [number[], number[], number[]];
    expect(batch.input_ids!.shape).toEqual([2, 8]);
    expect(batch.input_ids!.toNumbers().slice(8, 15)).toEqual([
      image,
      ...red,
      chunkEnd,
      image,
      ...blue,
      chunkEnd,
    ]);
    expect(batch.labels!.toNumbers()).toEqual([
      ...[...ignored(3), ...good, chunkEnd, ...ignored(3)],
      ...[...ignored(1), ...red, chunkEnd, ...ignored(1), ...blue, chunkEnd, ...ignored(1)],
    ]);
    const { shape, data, size } = batch.pixel_values!;
    expect(shape).toEqual([2, 2, 1, 3, 16, 16]);
    const sums = [0, 1, 2, 3].map((at) =>
      (data as Float32Array)
        .subarray((at * size) / 4, ((at + 1) * size) / 4)
        .reduce((sum, value) => sum + Math.abs(value), 0),
    );
    expect(sums.map((sum) => sum > 0)).toEqual([true, false, true, true]);
  });

  test("are cut to what the model reads and counted, with something left to learn", async () => {
    const { dataset, truncated } = await prepared("long.jsonl", [
      { image: "1.png", question: "what ? ".repeat(5000), answers: ["red"] },
      { image: "2.png", question: "what ?", answers: ["very ".repeat(10_000)] },
    ]);
    expect(truncated).toBe(2);
    const batch = await dataset.collate([0, 1], 1, new Random(1), 0);
    expect(batch.input_ids!.shape).toEqual([2, 160]);
    const labels = batch.labels!.toNumbers();
    for (const row of [labels.slice(0, 160), labels.slice(160)])
      expect(row.filter((id) => id !== ignoredLabel).length).toBeGreaterThan(1);
  });

  test.each([
    ["captions", { caption: "a red book" }, ["bleu4", "cider_d"]],
    ["questions", { question: "what ?", answers: ["red", "red"] }, ["vqa_accuracy"]],
  ])("of %s are scored by what the model writes", async (name, row, metrics) => {
    const rows = [1, 2].map((seed) => ({ image: `${seed}.png`, ...row }));
    const { answerMetrics } = await prepared(`${name}.jsonl`, rows);
    const scores = await answerMetrics(flamingo, { session: { threads: 1 } });
    expect(Object.keys(scores).sort()).toEqual(metrics);
    expect(Object.values(scores).every(Number.isFinite)).toBe(true);
  });
});
