import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { Random } from "../tensor/random.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import { trainTokenizerOnTexts } from "../text/train-tokenizer.ts";
import { createStepApi } from "../train/step-api.ts";
import type { Dataset } from "../train/task.ts";
import { evaluate, fit } from "../train/trainer.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { openPairs, type PreparedPairs, preparePairEvaluation, preparePairs } from "./pair-training.ts";

const folder = useTemporaryFolder();
const data = join(folder, "pairs.jsonl");
const names = ["black", "blue", "green", "cyan", "red", "purple", "yellow", "white"];

/** One picture of each colour, whose bits name its channels; the last one is transparent, over nothing. */
beforeAll(async () => {
  mkdirSync(join(folder, "pictures"));
  const rows: string[] = [];
  for (const [at, name] of names.entries()) {
    const levels = [at & 4, at & 2, at & 1].map((bit) => (bit ? 230 : 20));
    const pixel = name === "white" ? [0, 0, 0, 0] : [...levels, 255];
    const raw = { width: 16, height: 16, channels: 4 as const };
    const bytes = Uint8Array.from({ length: 16 * 16 * 4 }, (_, i) => pixel[i % 4]!);
    const image = join("pictures", `${at}.png`);
    await sharp(bytes, { raw }).png().toFile(join(folder, image));
    const captions = name === "red" ? [name, `${"very ".repeat(9)}${name}`] : [name];
    rows.push(JSON.stringify({ image, captions, words: `paint,flat,${name}`, label: name }));
  }
  writeFileSync(data, rows.join("\n"));
});

const layers = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const tinyClip = {
  architectures: ["CLIPModel"],
  model_type: "clip",
  projection_dim: 12,
  text_config: { ...layers, max_position_embeddings: 8, initializer_range: 0.2 },
  vision_config: { ...layers, image_size: 16, patch_size: 8, num_channels: 3 },
};
const pictures = { mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3], background: [255, 255, 255] } as const;
const columns = { keywordColumns: ["words"] };

async function prepared() {
  const pairs = await openPairs("image-text-contrastive", data, pictures, columns);
  const tokenizer = await trainTokenizerOnTexts(
    pairs.pairs.flatMap(({ captions, keywords }) => [...captions, ...keywords]),
    { kind: "clip", vocabSize: 560 },
  );
  const text_config = { ...tinyClip.text_config, vocab_size: tokenizer.vocabSize };
  const config = { ...tinyClip, text_config };
  const files = { train: pairs, validation: pairs, seed: 3 };
  const choice = { ...pictures, augment: { crop: 1, flip: 0 } };
  const ready = await preparePairs("image-text-contrastive", files, { config, tokenizer }, choice);
  return { ...ready, config, tokenizer };
}

let ready: PreparedPairs & Awaited<ReturnType<typeof prepared>>;
beforeAll(async () => {
  ready = await prepared();
});

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);
const textsOf = async (dataset: Dataset, epoch: number): Promise<string[]> => {
  const batch = await dataset.collate(upTo(8), 1, new Random(epoch), epoch);
  const [count, length] = batch.input_ids!.shape as [number, number];
  const ids = batch.input_ids!.toNumbers();
  return upTo(count).map((row) =>
    ready.tokenizer.decode(ids.slice(row * length, (row + 1) * length), { skipSpecialTokens: true }),
  );
};

describe("image-text-contrastive", () => {
  test("draws a text for each picture, another one in another epoch, and evaluates with all captions", async () => {
    const first = await textsOf(ready.train, 0);
    expect(first).toHaveLength(8);
    expect(await textsOf(ready.train, 0)).toEqual(first);
    const drawn = new Set<string>();
    for (let epoch = 0; epoch < 20; epoch++) drawn.add((await textsOf(ready.train, epoch))[1]!.trim());
    expect(drawn).toContain("blue");
    expect([...drawn].some((text) => /^blue ?, ?(paint|flat)/.test(text))).toBe(true);
    expect([...drawn].some((text) => /^(paint|flat)/.test(text))).toBe(true);
    expect(await textsOf(ready.validation, 0)).toHaveLength(9);
  });

  test("counts the pairs of which a caption is too long", () => {
    expect(ready.truncated).toBe(2); // once for each set
  });

  test("learns which text belongs to which picture; the stored model says so too, and knows classes", async () => {
    const output = join(folder, "run");
    const options = { epochs: 60, batchSize: 8, learningRate: 1e-2, threads: 1, evaluateEvery: 30 };
    const { task, train, validation, config } = ready;
    const { metrics, modelFolder } = await fit({ config, task, train, validation, output, options });
    expect(metrics["text_to_image_recall@1"]).toBeGreaterThan(0.85);
    const plan = await readPreprocessor(modelFolder);
    expect(plan.background).toEqual([255, 255, 255]);
    const model = { config, tokenizer: await loadTokenizer(modelFolder), plan };
    const again = await preparePairEvaluation("image-text-contrastive", data, model, {});
    const stored = { config, weightsFolder: modelFolder, task: again.task, dataset: again.dataset };
    expect((await evaluate({ ...stored, batchSize: 3, threads: 1 })).metrics).toMatchObject(metrics);
    const zeroShot = await again.answerMetrics(modelFolder, {
      template: ["{}"],
      session: { threads: 1 },
    });
    expect(zeroShot.zero_shot_top1).toBeGreaterThan(0.6); // chance is 0.125
  });

  test.each(["softmax", "sigmoid"])("makes the same updates in micro-batches, with %s", async (loss) => {
    const batch = await ready.train.collate(upTo(8), 1, new Random(1), 0);
    const config = { ...ready.config, contrastive_loss: loss };
    const runs = await Promise.all(
      [undefined, 3].map(async (microBatch) => {
        const options = { seed: 1, threads: 1, ...(microBatch && { microBatch }) };
        const api = await createStepApi({ config, options });
        const losses: number[] = [];
        for (let step = 1; step <= 5; step++) losses.push((await api.step([batch], step, 1e-3)).loss);
        return losses;
      }),
    );
    const [whole, parts] = runs as [number[], number[]];
    expect(whole[4]).toBeLessThan(whole[0]!);
    for (const [step, found] of parts.entries()) expect(found).toBeCloseTo(whole[step]!, 4);
  });
});
