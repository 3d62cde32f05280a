/**
 * Damaged model folders: each opens and answers rightly, or fails with one of our errors, and never takes long.
 * FUZZ_MUTATIONS sets the number of mutations.
 */

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { mutate } from "../../test/support/mutate.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { TesseraeError, WeightError } from "../errors.ts";
import { ModelProto } from "../graph/onnx/schema.ts";
import { encodeModel } from "../models/open.ts";
import { Random } from "../tensor/random.ts";
import { openForTask, releaseModel, thisThread } from "./open-for-task.ts";
import { predictor } from "./tasks.ts";
import type { LabelScore } from "./text-classification.ts";

const folder = useTemporaryFolder();
const mutations = Number(process.env.FUZZ_MUTATIONS ?? 500);
const limitMs = 20_000;
const text = "a very good film";
const config = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
const configText = JSON.stringify(config);

interface Initializer {
  name: string;
  external_data: { key: string; value: string }[];
}

let model: { graph: { initializer: Initializer[] } };
let expected: LabelScore[];
const seeds = Array.from({ length: mutations }, (_, at) => at);

/** Opens the folder and answers one text. */
async function answer(): Promise<LabelScore[]> {
  const opened = await openForTask(folder, undefined, { provider: "cpu", threads: 1 }, thisThread);
  try {
    const [scores] = await predictor(opened, { task: "text-classification" }).predict([text], {
      top_k: null,
    });
    return scores as LabelScore[];
  } finally {
    await releaseModel(opened);
  }
}

/** What a damaged folder answers, or the error; fails the test for any other error and for slowness. */
async function outcome(description: string): Promise<LabelScore[] | TesseraeError> {
  const start = performance.now();
  try {
    return await answer();
  } catch (error) {
    if (error instanceof TesseraeError) return error;
    throw new Error(`${description}: ended in ${error}`, { cause: error });
  } finally {
    expect(performance.now() - start, description).toBeLessThan(limitMs);
  }
}

beforeAll(async () => {
  await writeTinyModel(folder, config);
  expected = await answer();
  const { bytes } = await encodeModel(folder);
  model = ModelProto.toObject(ModelProto.decode(bytes)) as typeof model;
});

const writeOnnx = (changed: object): void =>
  writeFileSync(join(folder, "model.onnx"), ModelProto.encode(ModelProto.fromObject(changed)).finish());

describe("a model folder", () => {
  test("with a damaged config.json opens or fails with a typed error", async () => {
    let failures = 0;
    for (const seed of seeds.filter((at) => at % 2 === 0)) {
      const { bytes, description } = mutate(Buffer.from(configText), new Random(seed));
      writeFileSync(join(folder, "config.json"), bytes);
      const result = await outcome(`seed ${seed}: ${description}`);
      if (result instanceof TesseraeError) failures++;
      else for (const { score } of result) expect(score, description).toBeGreaterThanOrEqual(0);
    }
    expect(failures).toBeGreaterThan(0);
  });

  test("with damaged offsets in model.onnx gives the right answer or fails with a typed error", async () => {
    writeFileSync(join(folder, "config.json"), configText);
    let failures = 0;
    for (const seed of seeds.filter((at) => at % 2 === 1)) {
      const random = new Random(seed);
      const changed = structuredClone(model);
      const weights = changed.graph.initializer.filter(({ external_data }) => external_data);
      const { name, external_data } = weights[random.integer(weights.length)]!;
      const field = external_data[random.integer(external_data.length)]!;
      const { bytes, description } = mutate(Buffer.from(field.value), random);
      field.value = Buffer.from(bytes).toString("latin1");
      writeOnnx(changed);
      const result = await outcome(`seed ${seed}: ${field.key} of ${name}: ${description}`);
      if (result instanceof TesseraeError) failures++;
      else expect(result, description).toEqual(expected);
    }
    rmSync(join(folder, "model.onnx"));
    expect(failures).toBeGreaterThan(0);
  });

  test("whose model.onnx points at another tensor's bytes is refused, though they lie in the file", async () => {
    const changed = structuredClone(model);
    const [first, second] = changed.graph.initializer.filter(({ external_data }) => external_data);
    first!.external_data = second!.external_data;
    writeOnnx(changed);
    expect(await outcome("exchanged")).toBeInstanceOf(WeightError);
    writeOnnx(model);
    expect(await outcome("as it was")).toEqual(expected);
    rmSync(join(folder, "model.onnx"));
  });

  test("with sizes of gigabytes in its config is refused at once", async () => {
    const huge = 2 ** 31 - 1;
    const before = process.memoryUsage().rss;
    for (const extra of [
      { vocab_size: huge },
      { hidden_size: huge, num_attention_heads: 1 },
      { max_position_embeddings: huge },
      { intermediate_size: huge },
      { num_hidden_layers: 1000 },
      { num_hidden_layers: huge },
    ]) {
      writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...extra }));
      expect(await outcome(JSON.stringify(extra))).toBeInstanceOf(TesseraeError);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(500e6);
  });
});
