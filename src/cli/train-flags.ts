/** The flags of `tesserae train`, and what they set up. */

import { join } from "node:path";
import type { DataTask } from "../data/examples.ts";
import type { TagScheme } from "../models/tag-rules.ts";
import type { ImageTask } from "../tasks/image-training.ts";
import type { PairTask } from "../tasks/pair-training.ts";
import type { TrainOptions, TrainRun } from "../train/trainer.ts";
import type { ImageFlags } from "./image-options.ts";
import type { FlamingoFlags } from "./initial-flamingo.ts";
import type { PairFlags } from "./pair-options.ts";
import type { TeacherFlags } from "./teacher-options.ts";
import type { TokenizerFlags } from "./tokenizer-choice.ts";

/** How a question answering model scores spans. */
export const questionHeads = ["span", "two-stream", "start-then-end"] as const;

type QuestionHead = (typeof questionHeads)[number];

export interface TrainFlags
  extends TokenizerFlags,
    ImageFlags,
    PairFlags,
    FlamingoFlags,
    TeacherFlags,
    Omit<TrainOptions, "warmupRatio" | "warmupSteps" | "distillation"> {
  readonly task?: DataTask | ImageTask | PairTask;
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
  /** Ends what the run needs beside itself, such as a teacher's thread. */
  readonly release?: () => Promise<void>;
}

/** What a task makes of its data. */
type PreparedRun = Pick<TrainRun, "task" | "train" | "validation">;

/** The trainer's run of a model with this config that starts from the weights of a folder, or from random ones. */
export const trainRunOf = (
  name: string,
  model: Pick<TrainRun, "config" | "weightsFolder">,
  { task, train, validation }: PreparedRun,
  flags: TrainFlags,
): TrainRun => ({
  ...model,
  task,
  train,
  validation,
  output: flags.output ?? join("runs", name),
  resume: flags.resume ?? false,
  options: trainOptions(flags),
});

/** The files of the training and the validation data, for the lineage. */
export async function dataFilesOf(
  { data, validation }: { readonly data: string; readonly validation?: string | undefined },
  filesAt: (path: string) => Promise<readonly string[]>,
): Promise<string[]> {
  const paths = [data, ...(validation === undefined ? [] : [validation])];
  return (await Promise.all(paths.map(filesAt))).flat();
}

/** The flags as the trainer takes them; what is not given is left out. */
export function trainOptions(flags: TrainFlags): TrainOptions {
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
    layerDecay: flags.layerDecay,
    freezeEncoder: flags.freezeEncoder ?? flags.linearProbe,
    emaDecay: flags.emaDecay,
    microBatch: flags.microBatch,
    storeWeights: flags.storeWeights,
    threads: flags.threads,
    ...(warmup !== undefined && (warmup < 1 ? { warmupRatio: warmup } : { warmupSteps: warmup })),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
