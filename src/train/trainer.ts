/**
 * The training loop: batches in a seeded order, one compiled step each, evaluation, checkpoints, logs.
 * Everything that happens depends on (seed, step) and the data alone, so a run resumed from a checkpoint, also from
 * the middle of an epoch and after a kill, ends in the same bits as one that was never stopped.
 */

import { join } from "node:path";
import type { Batch as BatchPlan, BatchSampler } from "../data/sampler.ts";
import { ConfigError, RuntimeFailure } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import { startThread, type Thread, workerUrl } from "../runtime/index.ts";
import { deriveKey, Random } from "../tensor/random.ts";
import { writeFileAtomic } from "../weights/atomic.ts";
import { isVariantFolder } from "../weights/variant-folder.ts";
import type { Distillation } from "./distillation.ts";
import { RunFolder, type RunState } from "./run-folder.ts";
import { type Schedule, type ScheduleName, scheduleOf } from "./schedules.ts";
import { type Evaluate, type Scores, samplerOf, score } from "./score.ts";
import type { Batch, StepResult } from "./step.ts";
import type { StepApi, StepInit, StoredWeights } from "./step-api.ts";
import type { Dataset, TrainTask } from "./task.ts";
import { StoredEvaluation } from "./variant-evaluation.ts";

export interface TrainOptions {
  /** Passes over the training data; default 3. */
  readonly epochs?: number;
  /** Examples of a batch; default 32. */
  readonly batchSize?: number;
  /** Batches whose mean gradient makes one update; default 1. */
  readonly gradientAccumulation?: number;
  /** Peak learning rate; default 5e-5. */
  readonly learningRate?: number;
  /** How the rate changes; default "linear". */
  readonly schedule?: ScheduleName;
  /** Share of the updates during which the rate rises, 0 to 1; default 0.1. */
  readonly warmupRatio?: number;
  /** Updates during which the rate rises; overrides `warmupRatio`. */
  readonly warmupSteps?: number;
  /** Decay of matrices; default 0.01. */
  readonly weightDecay?: number;
  /** Largest norm of the gradient; default 1. */
  readonly maxGradNorm?: number;
  readonly betas?: readonly [number, number];
  readonly epsilon?: number;
  /** Seeds everything that is drawn; default 0. */
  readonly seed?: number;
  /** Updates between evaluations; default: after every epoch. */
  readonly evaluateEvery?: number;
  /** Updates between checkpoints; default: after every epoch. */
  readonly saveEvery?: number;
  /** Checkpoints kept; default 2. */
  readonly keepLast?: number;
  /** Evaluations without improvement after which training stops; default: never. */
  readonly patience?: number;
  /** Updates in a row with a loss that is not finite after which training stops; default 10. */
  readonly maxBadSteps?: number;
  /** Below 1: factor of the learning rate from each layer to the one before it; default 1. */
  readonly layerDecay?: number;
  /** Keeps the encoder as it is loaded and trains the head alone (linear probing); default false. */
  readonly freezeEncoder?: boolean;
  /** Decay of a moving average of the weights, which is evaluated and saved in their place; default none. */
  readonly emaDecay?: number;
  /** What a student follows, where batches bring what a teacher gave for them; default: the model's own loss. */
  readonly distillation?: Distillation;
  /**
   * Contrastive models: pairs that are encoded at once; the loss is that of the whole batch all the same, on the memory
   * of so few. Default: all of the batch.
   */
  readonly microBatch?: number;
  /** How the best model's weights are stored; checkpoints are always float32. Default "float32". */
  readonly storeWeights?: StoredWeights;
  /** Threads of ONNX Runtime; default all. */
  readonly threads?: number;
}

export interface TrainRun {
  /** The model's config.json, with what the task adds. */
  readonly config: ConfigJson;
  /** A checkpoint to start from; without it all weights are drawn. */
  readonly weightsFolder?: string | undefined;
  readonly task: TrainTask;
  readonly train: Dataset;
  readonly validation?: Dataset | undefined;
  /** Folder of the run: `checkpoints/`, `best/`, `log.jsonl`, `log.csv`, `report.html`. */
  readonly output: string;
  /** Go on from the newest checkpoint in `output`, if there is one. */
  readonly resume?: boolean;
  readonly options?: TrainOptions;
}

export type TrainEvent =
  | {
      readonly kind: "start";
      readonly parameters: number;
      readonly drawn: readonly string[];
      readonly totalSteps: number;
      readonly resumedAt: number;
    }
  | {
      readonly kind: "step";
      readonly step: number;
      readonly totalSteps: number;
      readonly epoch: number;
      readonly loss: number;
      readonly gradNorm: number;
      readonly learningRate: number;
      readonly isSkipped: boolean;
    }
  | {
      readonly kind: "evaluation";
      readonly step: number;
      readonly epoch: number;
      readonly metrics: Readonly<Record<string, number>>;
      readonly isBest: boolean;
    }
  | { readonly kind: "checkpoint"; readonly step: number; readonly folder: string };

export interface TrainHooks {
  readonly onEvent?: (event: TrainEvent) => void;
  /** Aborting stops after the update under way, with a checkpoint. */
  readonly signal?: AbortSignal;
}

export interface FitResult {
  /** The best model by the task's metric, or the last one without validation data; a model folder. */
  readonly modelFolder: string;
  readonly steps: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Why training ended. */
  readonly end: "finished" | "early-stop" | "interrupted";
}

/**
 * Trains a model.
 * @throws RuntimeFailure when the loss stays non-finite; ConfigError when the run cannot start or resume.
 */
export async function fit(run: TrainRun, hooks: TrainHooks = {}): Promise<FitResult> {
  const folder = await RunFolder.open(run.output, run.resume ?? false);
  const thread = await startStep(run);
  try {
    return await new Trainer(run, hooks, folder, thread).fit();
  } finally {
    await thread.terminate();
  }
}

/** Scores of a model's or a variant's folder on a data set. */
export async function evaluate(
  run: Pick<TrainRun, "config" | "weightsFolder" | "task"> & {
    readonly dataset: Dataset;
    readonly batchSize?: number;
    readonly threads?: number;
  },
): Promise<Scores> {
  const { config, weightsFolder, task, dataset, batchSize = 32, threads } = run;
  if (weightsFolder !== undefined && isVariantFolder(weightsFolder)) {
    const variant = new StoredEvaluation({ config, weightsFolder, threads });
    return score(variant.evaluate, task, dataset, batchSize).finally(() => variant.release());
  }
  const thread = await startStep({ ...run, options: { threads } });
  try {
    return await score(evaluateIn(thread), task, dataset, batchSize);
  } finally {
    await thread.terminate();
  }
}

type StepThread = Thread<StepApi>;

const evaluateIn =
  (thread: StepThread): Evaluate =>
  (batch, outputs) =>
    thread.call("evaluate", batch, outputs);

function startStep({
  config,
  weightsFolder,
  options = {},
}: Pick<TrainRun, "config" | "weightsFolder" | "options">): Promise<StepThread> {
  const { weightDecay, maxGradNorm, betas, epsilon, seed, threads } = options;
  const { layerDecay, freezeEncoder, emaDecay, distillation, microBatch } = options;
  const wanted = {
    weightDecay,
    maxGradNorm,
    betas,
    epsilon,
    seed,
    threads,
    layerDecay,
    freezeEncoder,
    emaDecay,
    distillation,
    microBatch,
  };
  const given = Object.entries(wanted).filter(([, value]) => value !== undefined);
  const init: StepInit = { config, weightsFolder, options: Object.fromEntries(given) };
  return startThread<StepApi>(workerUrl("train/step-worker"), init);
}

const isBetter = (metric: string, value: number, best: number | undefined): boolean =>
  best === undefined || (metric === "loss" ? value < best : value > best);

/** Options with their defaults. */
const withDefaults = (options: TrainOptions) => ({
  epochs: 3,
  batchSize: 32,
  gradientAccumulation: 1,
  learningRate: 5e-5,
  schedule: "linear" as ScheduleName,
  warmupRatio: 0.1,
  seed: 0,
  keepLast: 2,
  maxBadSteps: 10,
  storeWeights: "float32" as StoredWeights,
  ...options,
});

class Trainer {
  private readonly options: ReturnType<typeof withDefaults>;
  private readonly sampler: BatchSampler;
  private readonly stepsPerEpoch: number;
  private readonly totalSteps: number;
  private readonly schedule: Schedule;
  private state: RunState = { step: 0, badSteps: 0, evaluationsSinceBest: 0 };

  constructor(
    private readonly run: TrainRun,
    private readonly hooks: TrainHooks,
    private readonly folder: RunFolder,
    private readonly thread: StepThread,
  ) {
    this.options = withDefaults(run.options ?? {});
    const { batchSize, seed, gradientAccumulation, epochs, schedule, warmupRatio } = this.options;
    this.sampler = samplerOf(run.train, run.task, batchSize, seed);
    this.stepsPerEpoch = Math.ceil(this.sampler.batchCount / gradientAccumulation);
    this.totalSteps = this.stepsPerEpoch * epochs;
    const warmupSteps = this.options.warmupSteps ?? Math.round(this.totalSteps * warmupRatio);
    this.schedule = scheduleOf(schedule, { warmupSteps, totalSteps: this.totalSteps });
  }

  async fit(): Promise<FitResult> {
    await this.start();
    while (this.state.step < this.totalSteps) {
      const end = await this.epoch(Math.floor(this.state.step / this.stepsPerEpoch));
      if (end) return this.finish(end);
    }
    return this.finish("finished");
  }

  private async start(): Promise<void> {
    const { epochs, batchSize, gradientAccumulation, seed } = this.options;
    const checkpoint = await this.folder.newest({
      epochs,
      batchSize,
      gradientAccumulation,
      seed,
      items: this.run.train.lengths.length,
    });
    if (checkpoint) {
      await this.thread.call("loadState", checkpoint.folder);
      this.state = checkpoint.state;
    }
    await this.folder.startLogs(this.state.step);
    this.emit({
      kind: "start",
      parameters: await this.thread.call("parameterCount"),
      drawn: await this.thread.call("drawn"),
      totalSteps: this.totalSteps,
      resumedAt: this.state.step,
    });
  }

  /** The rest of an epoch; returns why training must end, if it must. */
  private async epoch(epoch: number): Promise<FitResult["end"] | undefined> {
    const plans = this.sampler.batchesOf(epoch);
    let next: Promise<Batch[]> | undefined;
    for (let at = this.state.step % this.stepsPerEpoch; at < this.stepsPerEpoch; at++) {
      const batches = await (next ?? this.batches(plans, epoch, at));
      const learningRate = this.options.learningRate * this.schedule(this.state.step);
      const running = this.thread.call("step", batches, this.state.step + 1, learningRate);
      next = at + 1 < this.stepsPerEpoch ? this.batches(plans, epoch, at + 1) : undefined; // while the step runs
      next?.catch(() => undefined); // told when it is that batch's turn
      await this.record(await running, epoch, learningRate);
      const end = await this.afterStep(epoch, at + 1 === this.stepsPerEpoch);
      if (end) return end;
    }
    return undefined;
  }

  private batches(plans: readonly BatchPlan[], epoch: number, at: number): Promise<Batch[]> {
    const { gradientAccumulation, seed } = this.options;
    const { train } = this.run;
    const start = at * gradientAccumulation;
    const wanted = plans.slice(start, start + gradientAccumulation);
    return Promise.all(
      wanted.map(async ({ indices, length }, offset) => {
        const random = new Random(deriveKey(seed, "collate", epoch, start + offset));
        const batch = await train.collate(indices, length, random, epoch);
        return { ...batch, ...train.inputsAt?.(epoch + (start + offset) / plans.length) };
      }),
    );
  }

  private async record(result: StepResult, epoch: number, learningRate: number): Promise<void> {
    this.state = {
      ...this.state,
      step: this.state.step + 1,
      badSteps: result.isSkipped ? this.state.badSteps + 1 : 0,
    };
    const { step } = this.state;
    await this.folder.log({ step, epoch, ...result, learningRate });
    this.emit({ kind: "step", step, totalSteps: this.totalSteps, epoch, learningRate, ...result });
    if (this.state.badSteps >= this.options.maxBadSteps) {
      throw new RuntimeFailure(
        `training: the loss or gradient was not finite at ${this.state.badSteps} updates in a row, up to update ${step} ` +
          `(epoch ${epoch + 1}, last loss ${result.loss}, learning rate ${learningRate}); lower the learning rate or check the data`,
      );
    }
  }

  private async afterStep(epoch: number, isEpochEnd: boolean): Promise<FitResult["end"] | undefined> {
    const isDue = (every: number | undefined): boolean =>
      every ? this.state.step % every === 0 : isEpochEnd;
    const isLast = this.state.step === this.totalSteps;
    let end: FitResult["end"] | undefined;
    if (isDue(this.options.evaluateEvery) || isLast) {
      await this.evaluate(epoch);
      if (this.state.evaluationsSinceBest >= (this.options.patience ?? Number.POSITIVE_INFINITY))
        end = "early-stop";
    }
    if (this.hooks.signal?.aborted) end = "interrupted";
    if (isDue(this.options.saveEvery) || isLast || end) await this.checkpoint();
    return end;
  }

  private async evaluate(epoch: number): Promise<void> {
    const { task, validation } = this.run;
    if (!validation) return;
    const scores = await score(evaluateIn(this.thread), task, validation, this.options.batchSize);
    const { metrics } = scores;
    const value = metrics[task.bestMetric];
    if (value === undefined)
      throw new ConfigError(`training: the task ${task.name} has no metric "${task.bestMetric}"`);
    const isBest = isBetter(task.bestMetric, value, this.state.best?.[task.bestMetric]);
    this.state = isBest
      ? { ...this.state, best: metrics, evaluationsSinceBest: 0 }
      : { ...this.state, evaluationsSinceBest: this.state.evaluationsSinceBest + 1 };
    if (isBest) await this.saveModel();
    const classReport = isBest ? scores.classReport : undefined; // the model that is kept
    await this.folder.log({ step: this.state.step, epoch, metrics, ...(classReport && { classReport }) });
    this.emit({ kind: "evaluation", step: this.state.step, epoch, metrics, isBest });
  }

  /** Replaces the best model by the present one. */
  private saveModel(): Promise<void> {
    const { config, task } = this.run;
    return this.folder.replaceModel(async (staging) => {
      await this.thread.call("saveModel", staging, this.options.storeWeights);
      await writeFileAtomic(join(staging, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
      await task.saveFiles(staging);
    });
  }

  private async checkpoint(): Promise<void> {
    const { epochs, batchSize, gradientAccumulation, seed, keepLast } = this.options;
    const shape = { epochs, batchSize, gradientAccumulation, seed, items: this.run.train.lengths.length };
    const folder = await this.folder.saveCheckpoint(this.state, shape, keepLast, (staging) =>
      this.thread.call("saveState", staging),
    );
    this.emit({ kind: "checkpoint", step: this.state.step, folder });
  }

  private async finish(end: FitResult["end"]): Promise<FitResult> {
    if (!this.run.validation) await this.saveModel();
    await this.folder.writeReport(this.run.task.name);
    return {
      modelFolder: this.folder.modelFolder,
      steps: this.state.step,
      metrics: this.state.best ?? {},
      end,
    };
  }

  private emit(event: TrainEvent): void {
    this.hooks.onEvent?.(event);
  }
}
