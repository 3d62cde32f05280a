/** The same weights answered by transformers.js. Scores differ by the order of float32 sums only. */

import { join } from "node:path";
import { env, pipeline as peerPipeline } from "@huggingface/transformers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { exportForPeers, tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { type PipelineBase, type PipelineByTask, pipeline } from "./pipeline.ts";

const folder = useTemporaryFolder();
const opened: PipelineBase[] = [];

beforeAll(() => {
  env.allowRemoteModels = false;
  env.localModelPath = folder;
});

afterAll(() => Promise.all(opened.map((each) => each.dispose())));

/** Both libraries' pipelines over one folder. */
async function both<
  T extends Exclude<
    keyof PipelineByTask,
    | "multiple-choice"
    | "ner"
    | "sentence-similarity"
    | "visual-question-answering"
    | `${string}image${string}`
  >,
>(task: T, architecture: string, extra = {}) {
  const path = join(folder, architecture);
  await writeTinyModel(path, tinyConfig(architecture, extra));
  await exportForPeers(path);
  const ours = await pipeline(task, path, { provider: "cpu" });
  const theirs = await peerPipeline(task, architecture, { dtype: "fp32" });
  opened.push(ours, theirs as unknown as PipelineBase);
  return [ours, theirs] as const;
}

/** Every number within 2e-4, everything else equal; what only ours has (places in the text) is not compared. */
function expectClose(actual: unknown, expected: unknown): void {
  if (typeof expected === "number") expect(Math.abs((actual as number) - expected)).toBeLessThan(2e-4);
  else if (typeof expected !== "object" || expected === null) expect(actual).toBe(expected);
  else {
    if (Array.isArray(expected)) expect(actual).toHaveLength(expected.length);
    for (const [key, value] of Object.entries(expected)) {
      expectClose((actual as Record<string, unknown>)[key], value);
    }
  }
}

/** Without unknown words: transformers.js leaves them out, we and Python name them. */
const texts = ["a very good film", "Dull and very poor, with a bad story!", "The bank is not un-redable?"];

describe("answers agree with transformers.js:", () => {
  test("text classification", async () => {
    const [ours, theirs] = await both(
      "text-classification",
      "BertForSequenceClassification",
      withLabels("bad", "fine", "good"),
    );
    expectClose(await ours(texts[0]!), await theirs(texts[0]!));
    expectClose(await ours(texts), await theirs(texts));
    expectClose(await ours(texts, { top_k: 3 }), await theirs(texts, { top_k: 3 }));
    expectClose(await ours(texts[1]!, { top_k: 2 }), await theirs(texts[1]!, { top_k: 2 }));
  });

  test("token classification", async () => {
    const [ours, theirs] = await both(
      "token-classification",
      "BertForTokenClassification",
      withLabels("O", "B-PER", "I-PER", "B-LOC"),
    );
    expectClose(await ours(texts[1]!), await theirs(texts[1]!));
    expectClose(await ours(texts), await theirs(texts));
    const options = { aggregation_strategy: "simple" as const, ignore_labels: [] };
    expectClose(await ours(texts, options), await theirs(texts, options));
  });

  test("question answering", async () => {
    const [ours, theirs] = await both("question-answering", "BertForQuestionAnswering");
    const context = "john lives in london with a red book";
    for (const question of ["who lives in london ?", "where is the book ?", "why ?"]) {
      expectClose(await ours(question, context), await theirs(question, context));
      expectClose(await ours(question, context, { top_k: 5 }), await theirs(question, context, { top_k: 5 }));
    }
  });

  test("fill mask", async () => {
    const [ours, theirs] = await both("fill-mask", "BertForMaskedLM");
    expectClose(await ours("the [MASK] is good."), await theirs("the [MASK] is good."));
    const masked = ["a [MASK] film", "who saw the [MASK] in paris?"];
    expectClose(await ours(masked, { top_k: 3 }), await theirs(masked, { top_k: 3 }));
  });

  test("feature extraction", async () => {
    const [ours, theirs] = await both("feature-extraction", "BertModel");
    for (const pooling of ["none", "mean", "cls"] as const) {
      for (const normalize of [false, true]) {
        const [mine, peer] = [
          await ours(texts[1]!, { pooling, normalize }),
          await theirs(texts[1]!, { pooling, normalize }),
        ];
        expect(mine.dims).toEqual(peer.dims);
        for (const [at, value] of mine.data.entries()) expect(value).toBeCloseTo(Number(peer.data[at]), 4);
      }
    }
  });
});
