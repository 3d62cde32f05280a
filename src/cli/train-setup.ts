/** From the flags of `tesserae train` to what the trainer runs. */

import { join } from "node:path";
import type { DataTask } from "../data/examples.ts";
import { filesOf } from "../data/read-examples.ts";
import { RequestError } from "../errors.ts";
import type { Variant } from "../models/model.ts";
import { architectureFor } from "../models/registry.ts";
import type { TagScheme } from "../models/tag-rules.ts";
import { assertStoreName, storeNameOf } from "../store/ref.ts";
import { headOf, prepare } from "../tasks/tasks.ts";
import type { TrainOptions, TrainRun } from "../train/trainer.ts";
import { noteData, readOptions } from "./data-options.ts";
import { initialModel } from "./initial-model.ts";
import type { Output } from "./output.ts";
import { type TokenizerFlags, tokenizerChoice } from "./tokenizer-choice.ts";

/** How a question answering model scores spans. */
export const questionHeads = ["span", "two-stream", "start-then-end"] as const;

type QuestionHead = (typeof questionHeads)[number];

export interface TrainFlags extends TokenizerFlags, Omit<TrainOptions, "warmupRatio" | "warmupSteps"> {
  readonly task?: DataTask;
  readonly data?: string;
  readonly validation?: string;
  readonly name?: string;
  readonly wholeWordMasking?: boolean;
  readonly crf?: boolean;
  readonly constraints?: TagScheme;
  readonly earlyExit?: boolean;
  readonly qaHead?: QuestionHead;
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
  const initial = await initialModel(model, tokenizerChoice(task, data, flags));
  const prepared = await prepare(
    task,
    {
      trainPath: data,
      ...(validation !== undefined && { validationPath: validation }),
      ...(flags.seed !== undefined && { seed: flags.seed }),
      ...(flags.wholeWordMasking && { wholeWordMasking: true }),
      ...readOptions(flags),
    },
    initial.tokenizer,
  );
  noteData(output, prepared.badRows, prepared.truncated);
  const { name: architecture } = architectureFor(
    String(initial.config.model_type),
    headOf(task),
    variantOf(flags),
  );
  const config = {
    ...initial.config,
    ...prepared.task.config,
    ...(flags.constraints !== undefined && { crf_constraints: flags.constraints }),
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
  const paths = [data, ...(validation === undefined ? [] : [validation])];
  const dataFiles = (await Promise.all(paths.map((path) => filesOf(task, path, flags)))).flat();
  return { name, parent: initial.parent, run, dataFiles, flags };
}

/** @throws RequestError for flags that do not go together. */
function variantOf(flags: TrainFlags): Variant | undefined {
  const { crf = false, constraints, earlyExit = false, qaHead = "span" } = flags;
  if (Number(crf) + Number(earlyExit) + Number(qaHead !== "span") > 1)
    throw new RequestError("train: --crf, --early-exit and --qa-head are for different tasks; give one");
  if (constraints !== undefined && !crf) throw new RequestError("train: --constraints needs --crf");
  if (qaHead !== "span") return qaHead;
  return crf ? "crf" : earlyExit ? "early-exit" : undefined;
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
