import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyMae, tinyVit, writeTinyImages } from "../../test/support/tiny-images.ts";
import type { ConfigJson } from "../models/config.ts";
import { vitOfMae } from "../models/mae-encoder.ts";
import { Random } from "../tensor/random.ts";
import { createStepApi } from "../train/step-api.ts";
import { evaluate, fit, type TrainRun } from "../train/trainer.ts";
import { preprocessPlan } from "../vision/preprocessor-config.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import type { AugmentFields } from "./image-augmentation.ts";
import { type ImageTask, prepareImageEvaluation, prepareImages } from "./image-training.ts";

const folder = useTemporaryFolder();
const data = join(folder, "train");
const held = join(folder, "validation");

beforeAll(async () => {
  await writeTinyImages(data, 16);
  await writeTinyImages(held, 6, 2);
});

const prepared = (task: ImageTask, config: ConfigJson, augment: AugmentFields = {}) =>
  prepareImages(task, { trainPath: data, validationPath: held, seed: 5 }, config, { augment });

async function runOf(
  task: ImageTask,
  config: ConfigJson,
  augment?: AugmentFields,
): Promise<Omit<TrainRun, "output">> {
  const { task: trainTask, train, validation } = await prepared(task, config, augment);
  return { config: { ...config, ...trainTask.config }, task: trainTask, train, validation };
}

const weightsOf = async (path: string): Promise<Record<string, unknown>> =>
  Object.fromEntries(
    [...(await readSafetensors(join(path, "model.safetensors")))].map(([name, { data }]) => [name, data]),
  );
const checkpointsOf = (output: string): string[] => readdirSync(join(output, "checkpoints")).sort();

describe("image-classification", () => {
  const augment = { rand_augment: 3, color_jitter: 0.1, erasing: 0.2, mixup: 0.2, cutmix: 0.5 };
  const options = {
    epochs: 4,
    batchSize: 8,
    learningRate: 5e-3,
    seed: 3,
    saveEvery: 5,
    keepLast: 100,
    emaDecay: 0.8,
    layerDecay: 0.8,
    threads: 1,
  };
  const output = join(folder, "run");
  let run: Omit<TrainRun, "output">;

  beforeAll(async () => {
    run = await runOf(
      "image-classification",
      { ...tinyVit, label_smoothing: 0.1, drop_path_rate: 0.1 },
      augment,
    );
    await fit({ ...run, output, options });
  });

  test("learns the classes, and the saved model with its preprocessor has the same accuracy", async () => {
    const best = join(output, "best");
    const json = JSON.parse(readFileSync(join(best, "preprocessor_config.json"), "utf8"));
    expect(json).toMatchObject({ size: { height: 16, width: 16 }, do_normalize: true });
    expect(json.image_mean[0]).toBeCloseTo(96.7 / 255, 1);
    const { task, dataset } = await prepareImageEvaluation(
      "image-classification",
      held,
      run.config,
      preprocessPlan(json),
    );
    const { metrics } = await evaluate({
      config: run.config,
      weightsFolder: best,
      task,
      dataset,
      threads: 1,
    });
    expect(metrics.accuracy).toBeGreaterThan(0.9);
    const logged = readFileSync(join(output, "log.jsonl"), "utf8").split("\n");
    const accuracies = logged.flatMap((line) =>
      line.includes("metrics") ? [JSON.parse(line).metrics.accuracy] : [],
    );
    expect(metrics.accuracy).toBe(Math.max(...accuracies));
  });

  test("resumed from the middle of an epoch ends in the same bits, average included", async () => {
    const [first] = checkpointsOf(output);
    const resumed = join(folder, "resumed");
    cpSync(join(output, "checkpoints", first!), join(resumed, "checkpoints", first!), { recursive: true });
    cpSync(join(output, "log.jsonl"), join(resumed, "log.jsonl"));
    const again = await runOf("image-classification", run.config, augment);
    await fit({ ...again, output: resumed, resume: true, options });
    const last = join("checkpoints", checkpointsOf(output).at(-1)!);
    expect(await weightsOf(join(resumed, last))).toEqual(await weightsOf(join(output, last)));
    const [ours, theirs] = await Promise.all(
      [resumed, output].map((path) => readSafetensors(join(path, last, "optimizer.safetensors"))),
    );
    const average = "average.classifier.weight";
    expect(ours!.get(average)!.data).toEqual(theirs!.get(average)!.data);
    expect(ours!.get(average)!.data).not.toEqual((await weightsOf(join(output, last)))["classifier.weight"]);
  });

  test("changes a picture by seed, epoch and index alone", async () => {
    const { train } = await prepared("image-classification", tinyVit, { rand_augment: 9, erasing: 1 });
    const pixels = async (indices: number[], epoch: number): Promise<number[]> => {
      const { pixel_values } = await train.collate(indices, 1, new Random(indices.length), epoch);
      return pixel_values!.toNumbers().slice(-3 * 16 * 16);
    };
    const alone = await pixels([7], 2);
    expect(await pixels([1, 2, 7], 2)).toEqual(alone);
    expect(await pixels([7], 3)).not.toEqual(alone);
  });

  test("takes a share of the training pictures, another with another seed", async () => {
    const files = { trainPath: data, validationPath: held, trainShare: 0.25 };
    const [one, two] = await Promise.all(
      [1, 2].map((seed) => prepareImages("image-classification", { ...files, seed }, tinyVit, {})),
    );
    expect([one!.train.lengths.length, one!.validation.lengths.length]).toEqual([12, 18]);
    const batch = async ({ train }: typeof one & object) => {
      const { labels } = await train.collate([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 1, new Random(0), 0);
      return labels!.toNumbers();
    };
    expect(await batch(one!)).not.toEqual(await batch(two!));
  });

  test.each([
    ["an unknown change", { augment: { rotate: 3 } as AugmentFields }, {}, /augment.*rotate/s],
    ["crop with shift", { augment: { crop: 0.5, shift: 2 } }, {}, /crop or shift, not both/],
    ["grey models", {}, { num_channels: 1 }, /num_channels must be 3.*got 1/],
  ])("refuses %s", async (_, choice, fields, message) => {
    const files = { trainPath: data, validationPath: held };
    await expect(
      prepareImages("image-classification", files, { ...tinyVit, ...fields }, choice),
    ).rejects.toThrow(message);
  });

  test("names a damaged picture when it is used", async () => {
    const damaged = await writeTinyImages(join(folder, "damaged"), 4);
    writeFileSync(join(damaged, "red", "000.png"), "no picture");
    const choice = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const;
    const { train } = await prepareImages(
      "image-classification",
      { trainPath: damaged, validationPath: held },
      tinyVit,
      choice,
    );
    const all = train.lengths.map((_, at) => at);
    await expect(train.collate(all, 1, new Random(0), 0)).rejects.toThrow(/red.000\.png: must be JPEG, PNG/);
  });
});

describe("masked-image-modeling", () => {
  const output = join(folder, "mae");
  const options = { epochs: 4, batchSize: 8, learningRate: 1e-2, seed: 1, threads: 1 };

  test("lowers the loss, and a classifier starts from its encoder", async () => {
    const run = await runOf("masked-image-modeling", { ...tinyMae, norm_pix_loss: false });
    await fit({ ...run, output, options });
    const losses = readFileSync(join(output, "log.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).metrics?.loss)
      .filter((loss) => loss !== undefined);
    expect(losses.at(-1)).toBeLessThan(0.9 * losses[0]);
    const config = { ...vitOfMae(tinyMae), architectures: ["ViTForImageClassification"] };
    const step = await createStepApi({ config, options: {}, weightsFolder: join(output, "best") });
    expect(step.drawn()).toEqual(["classifier.weight", "classifier.bias"]);
    expect(config).toMatchObject({ model_type: "vit", pooling: "mean" });
    expect(config).not.toHaveProperty("decoder_hidden_size");
  });

  test("a probe trains the head alone, whose batch norm follows the data", async () => {
    const config = {
      ...vitOfMae(tinyMae),
      architectures: ["ViTForImageClassification"],
      batch_norm_head: true,
    };
    const run = await runOf("image-classification", config);
    const probe = join(folder, "probe");
    const weightsFolder = join(output, "best");
    await fit({
      ...run,
      weightsFolder,
      output: probe,
      options: { ...options, freezeEncoder: true, epochs: 1 },
    });
    const [before, after] = [await weightsOf(weightsFolder), await weightsOf(join(probe, "best"))];
    const name = "vit.encoder.layer.1.output.dense.weight";
    expect(after[name]).toEqual(before[name]);
    expect(after["classifier.weight"]).toBeDefined();
    expect([...(after["classifier_norm.running_mean"] as Float32Array)]).not.toContain(0);
  });
});
