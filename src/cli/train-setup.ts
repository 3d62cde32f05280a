/** From the flags of `tesserae train` to what the trainer runs. */

import { join } from "node:path";
import type { DataTask } from "../data/examples.ts";
import { RequestError } from "../errors.ts";
import { architectureFor } from "../models/registry.ts";
import { assertStoreName, storeNameOf } from "../store/ref.ts";
import { headOf, prepare } from "../tasks/tasks.ts";
import type { TrainOptions, TrainRun } from "../train/trainer.ts";
import { type DataFlags, noteData, readOptions } from "./data-options.ts";
import { initialModel } from "./initial-model.ts";
import type { Output } from "./output.ts";

export interface TrainFlags extends DataFlags, Omit<TrainOptions, "warmupRatio" | "warmupSteps"> {
  readonly task?: DataTask;
  readonly data?: string;
  readonly validation?: string;
  readonly name?: string;
  readonly tokenizer?: string;
  /** Fields of config.json. */
  readonly set?: Readonly<Record<string, unknown>>;
  readonly output?: string;
  readonly resume?: boolean;
  /** Steps, or their share when below 1. */
  readonly warmup?: number;
}

export interface TrainingSetup {
  readonly name: string;
  /** What training starts from, for the lineage. */
  readonly parent: string;
  readonly run: TrainRun;
  readonly dataFiles: readonly string[];
  readonly flags: TrainFlags;
}

/** @throws ConfigError or RequestError when a flag, the data or the model does not hold. */
export async function setUpTraining(
  model: string,
  flags: TrainFlags,
  output: Output,
): Promise<TrainingSetup> {
  const { task, data, validation } = flags;
  if (task === undefined || data === undefined) {
    throw new RequestError("train: --task and --data must be given; --help shows examples");
  }
  const name = flags.name ?? `${storeNameOf(model)}-${task}`;
  assertStoreName(name);
  const initial = await initialModel(model, flags.tokenizer);
  const prepared = await prepare(
    task,
    {
      trainPath: data,
      ...(validation !== undefined && { validationPath: validation }),
      ...(flags.seed !== undefined && { seed: flags.seed }),
      ...readOptions(flags),
    },
    initial.tokenizer,
  );
  noteData(output, prepared.badRows, prepared.truncated);
  const { name: architecture } = architectureFor(String(initial.config.model_type), headOf(task));
  const config = {
    ...initial.config,
    ...prepared.task.config,
    ...flags.set,
    architectures: [architecture],
  };
  const run: TrainRun = {
    config,
    weightsFolder: initial.weightsFolder,
    tokenizer: initial.tokenizer,
    task: prepared.task,
    train: prepared.train,
    validation: prepared.validation,
    output: flags.output ?? join("runs", name),
    resume: flags.resume ?? false,
    options: trainOptions(flags),
  };
  const dataFiles = [data, ...(validation === undefined ? [] : [validation])];
  return { name, parent: initial.parent, run, dataFiles, flags };
}

function trainOptions(flags: TrainFlags): TrainOptions {
  const { warmup } = flags;
  const options: TrainOptions = {
    epochs: flags.epochs,
    batchSize: flags.batchSize,
    gradientAccumulation: flags.gradientAccumulation,
    learningRate: flags.learningRate,
    schedule: flags.schedule,
    weightDecay: flags.weightDecay,
    maxGradNorm: flags.maxGradNorm,
    seed: flags.seed,
    patience: flags.patience,
    evaluateEvery: flags.evaluateEvery,
    saveEvery: flags.saveEvery,
    keepLast: flags.keepLast,
    maxBadSteps: flags.maxBadSteps,
    storeWeights: flags.storeWeights,
    threads: flags.threads,
    ...(warmup !== undefined && (warmup < 1 ? { warmupRatio: warmup } : { warmupSteps: warmup })),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
