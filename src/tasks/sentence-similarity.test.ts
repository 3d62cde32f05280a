import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, tinyTokenizer, writeTinyModel } from "../../test/support/tiny-model.ts";
import type { ConfigJson } from "../models/config.ts";
import { architectureOf } from "../models/registry.ts";
import { storedNames } from "../models/trace.ts";
import { initialValue } from "../nn/module.ts";
import { Random } from "../tensor/random.ts";
import { TrainStep } from "../train/step.ts";
import type { Features } from "./feature-extraction.ts";
import { openForTask, thisThread } from "./open-for-task.ts";
import type { Similarity } from "./sentence-similarity.ts";
import { type AnswerTaskName, predictor, prepare } from "./tasks.ts";

const folder = useTemporaryFolder();
const tokenizer = tinyTokenizer();
const pairs = [
  { text: "a very good film", text_pair: "a great film" },
  { text: "the river bank", text_pair: "john smith works in london and mary lives in paris" },
  { text: "music", text_pair: "music" },
];

/** Answers of a folder's model. */
async function ask(path: string, task: AnswerTaskName, inputs: unknown[], options = {}): Promise<unknown[]> {
  const answers = predictor(await openForTask(path, task, { provider: "cpu" }, thisThread), { task });
  try {
    return await answers.predict(inputs, options);
  } finally {
    await answers.release();
  }
}

const scoresOf = async (path: string, options = {}): Promise<number[]> =>
  ((await ask(path, "sentence-similarity", pairs, options)) as Similarity[]).map(({ score }) => score);

const write = (architecture: string, extra: ConfigJson = {}): Promise<string> =>
  writeTinyModel(
    join(folder, `${architecture}${Object.values(extra).join("")}`),
    tinyConfig(architecture, extra),
  );

describe("sentence similarity", () => {
  test("is the cosine of the texts' vectors, 1 for a text and itself", async () => {
    const path = await write("BertModel");
    const [first, , same] = await scoresOf(path);
    const features = { pooling: "mean", normalize: false };
    const [a, b] = (await ask(path, "feature-extraction", Object.values(pairs[0]!), features)) as Features[];
    const dot = (x: Float32Array, y: Float32Array): number =>
      x.reduce((sum, value, at) => sum + value * y[at]!, 0);
    expect(first).toBeCloseTo(
      dot(a!.data, b!.data) / Math.sqrt(dot(a!.data, a!.data) * dot(b!.data, b!.data)),
      5,
    );
    expect(same).toBeCloseTo(1, 5);
  });

  test("is answered by models with another head too, with the same encoder alike", async () => {
    const [bare, filler, own] = await Promise.all(
      ["BertModel", "BertForMaskedLM", "BertForSentenceSimilarity"].map((name) => write(name).then(scoresOf)),
    );
    // Weights are drawn by their names, which the bare encoder's lack the prefix of.
    filler!.forEach((score, at) => {
      expect(own![at]).toBeCloseTo(score, 5);
    });
    expect(bare).toHaveLength(filler!.length);
  });

  test.each(["mean", "cls"])("with pooling %s is trained as it is answered", async (pooling) => {
    const path = await write("BertForSentenceSimilarity", { sentence_pooling: pooling });
    const data = join(folder, `${pooling}.csv`);
    const rows = pairs.map(({ text, text_pair }, at) => `${text},${text_pair},${at}`);
    writeFileSync(data, `sentence1,sentence2,score\n${rows.join("\n")}\n`);
    const files = { trainPath: data, validationPath: data };
    const { task, train } = await prepare("sentence-similarity", files, tokenizer);
    expect(task.config).toEqual({ similarity_range: [0, 2] });
    const config = tinyConfig("BertForSentenceSimilarity", { sentence_pooling: pooling });
    const architecture = architectureOf(config);
    const step = await TrainStep.open(architecture, config, {});
    for (const [node, name] of storedNames(architecture, architecture.build(config))) {
      step.state.set(name, initialValue(node, name, 7));
    }
    const batch = train.collate([0, 1, 2], Math.max(...train.lengths), new Random(0));
    expect(batch.labels!.toNumbers()).toEqual([0, 0.5, 1]);
    const { similarity } = await step.evaluate(batch, task.outputs);
    const scores = await scoresOf(path);
    similarity!.toNumbers().forEach((value, at) => {
      expect(value).toBeCloseTo(scores[at]!, 5);
    });
    await step.release();
  });

  test("needs two texts", async () => {
    const path = await write("BertForSentenceSimilarity");
    await expect(ask(path, "sentence-similarity", ["a text alone"])).rejects.toThrow(
      /sentence-similarity: input 1/,
    );
  });
});
