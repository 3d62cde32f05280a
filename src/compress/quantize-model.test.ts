import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, tinyTokenizer, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { readConfig } from "../models/config.ts";
import { openVariant } from "../store/variants.ts";
import { openForTask, releaseModel } from "../tasks/open-for-task.ts";
import { type PreparedEvaluation, predictor, prepareEvaluation } from "../tasks/tasks.ts";
import { evaluate } from "../train/trainer.ts";
import { pointsLost } from "./contract.ts";
import { checkVariant } from "./gate.ts";
import { quantizeModel } from "./quantize-model.ts";

const folder = useTemporaryFolder();
const model = join(folder, "model");
const config = tinyConfig("BertForSequenceClassification", {
  ...withLabels("no", "yes"),
  hidden_size: 64,
  intermediate_size: 128,
});
const words = ["good", "bad", "great", "dull", "film", "story", "very", "the", "was"];
const texts = Array.from({ length: 40 }, (_, at) =>
  Array.from({ length: 1 + (at % 7) }, (_, word) => words[(at * 5 + word * 3) % words.length]).join(" "),
);

let data: PreparedEvaluation;

/** Data whose labels are the float model's own answers, so that its accuracy is 1. */
beforeAll(async () => {
  await writeTinyModel(model, config);
  const opened = await openForTask(model, undefined, { threads: 1 });
  const answers = (await predictor(opened).predict(texts, {})) as { label: string }[][];
  await releaseModel(opened);
  const rows = texts.map(
    (text, at) => `${text},${([answers[at]!].flat(2) as { label: string }[])[0]!.label}`,
  );
  await writeFile(join(folder, "data.csv"), `text,label\n${rows.join("\n")}\n`);
  data = await prepareEvaluation("text-classification", join(folder, "data.csv"), config, tinyTokenizer());
});

const request = () => ({ ...data, folder: model, threads: 1 });

describe("quantizeModel", () => {
  test.each([
    ["dynamic", {}, "int8", "dynamic-int8"],
    ["static", { method: "min-max" }, "int8-static", "static-int8"],
    ["static", { form: "qdq", name: "int8-qdq" }, "int8-qdq", "static-int8"],
    ["weight-only", {}, "int8-weights", "weight-only-int8"],
    ["weight-only", { blockBits: 4 }, "int4-weights", "weight-only-int4"],
    ["fp16", {}, "fp16", "fp16"],
  ] as const)(
    "%s %j stores a variant that passes its gate and answers",
    async (kind, extra, name, stored) => {
      const { variant, before, after } = await quantizeModel({ ...request(), kind, ...extra });
      expect([variant.name, variant.record.kind]).toEqual([name, stored]);
      expect(before.accuracy).toBe(1);
      expect(after.accuracy).toBeGreaterThan(0.8);
      await checkVariant(variant.folder, { threads: 1 });
      const opened = await openForTask(variant.folder, undefined, { threads: 1 });
      const answers = await predictor(opened).predict(["good film"], {});
      await releaseModel(opened);
      expect(answers).toHaveLength(1);
      const { metrics } = await evaluate({
        ...data,
        config: await readConfig(variant.folder),
        weightsFolder: variant.folder,
        threads: 1,
      });
      expect(metrics.accuracy).toBe(after.accuracy);
    },
  );

  test("makes weights at least three and a half times smaller", async () => {
    const { folder: variant, record } = await openVariant(model, "int8");
    const [whole, small] = await Promise.all(
      [model, variant].map(async (at) => (await stat(join(at, "model.safetensors"))).size),
    );
    // What is left of this small model's size is mostly norms, biases and the head, which stay floats.
    expect(whole! / small!).toBeGreaterThan(2.5);
    expect(record.metrics.size_ratio).toBeGreaterThan(2.5);
    expect(record.metrics).toMatchObject({ kept_float: 0, float_accuracy: 1 });
  });

  test("refuses a variant of a variant, and a model whose matrices are too small", async () => {
    const { folder: variant } = await openVariant(model, "int8");
    await expect(quantizeModel({ ...request(), folder: variant, kind: "dynamic" })).rejects.toThrow(
      /variant already/,
    );
    const small = join(folder, "small");
    await writeTinyModel(
      small,
      tinyConfig("BertForSequenceClassification", {
        ...withLabels("no", "yes"),
        intermediate_size: 32,
        vocab_size: 140,
        hidden_size: 16,
        num_attention_heads: 2,
      }),
    );
    await expect(quantizeModel({ ...request(), folder: small, kind: "dynamic" })).rejects.toThrow(
      /too small/,
    );
  });

  test("keeps the weights that suffer most as floats until the contract holds", async () => {
    const fourBits = { ...request(), kind: "weight-only", blockBits: 4 } as const;
    const whole = await quantizeModel(fourBits);
    expect(whole.drop).toBeGreaterThan(3);
    expect(whole.sensitivity).toBeUndefined();
    const kept = await quantizeModel({ ...fourBits, name: "careful", maxDrop: 3 });
    expect(kept.drop).toBeLessThanOrEqual(3);
    expect(kept.keptFloat.length).toBeGreaterThan(0);
    const errors = kept.sensitivity!.map(({ kl }) => kl);
    expect(errors).toEqual(errors.toSorted((a, b) => b - a));
    expect(kept.sensitivity!.slice(0, kept.keptFloat.length).map(({ name }) => name)).toEqual(kept.keptFloat);
    const { weights } = kept.variant.record.config.quantization_config as { weights: object };
    expect(Object.keys(weights)).toHaveLength(kept.sensitivity!.length - kept.keptFloat.length);
    await checkVariant(kept.variant.folder, { threads: 1 });
  });

  test("stores nothing when the contract cannot hold", async () => {
    const better = { ...request(), kind: "dynamic", name: "better", maxDrop: -1 } as const;
    await expect(quantizeModel(better)).rejects.toThrow(/points of accuracy are lost, -1 may be/);
    await expect(openVariant(model, "better")).rejects.toThrow(/no variant/);
  });
});

describe("pointsLost", () => {
  test("counts hundredths of a metric, and percents of a loss", () => {
    expect(pointsLost("accuracy", 0.9, 0.89)).toBeCloseTo(1, 10);
    expect(pointsLost("loss", 2, 2.1)).toBeCloseTo(5, 10);
  });
});
