/** What is measured of a smaller model beside its teacher, on this machine. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { measureEnergy } from "../runtime/energy.ts";
import type { Feeds, Session, SessionOptions } from "../runtime/session.ts";
import type { Dataset, TrainTask } from "../train/task.ts";
import { weightsFile } from "../weights/checkpoint.ts";
import { pointsLost } from "./contract.ts";
import { type Interval, pairedInterval, wilsonInterval } from "./interval.ts";
import { compareLatency } from "./latency.ts";
import { rowScores } from "./row-scores.ts";
import { batchesOf, feedsFor, sampleBatches } from "./sample-batches.ts";
import { openServing } from "./serving-session.ts";
import { floatSize } from "./store-quantized.ts";

export interface Figures {
  readonly accuracy: number;
  readonly accuracyInterval: Interval;
  /** Points of accuracy lost against the teacher; negative when gained. */
  readonly pointsLost: number;
  readonly pointsLostInterval: Interval;
  /** Median time of one example. */
  readonly latencyMs: number;
  /** The teacher's, measured in turns with it. */
  readonly teacherLatencyMs: number;
  /** Examples a second in batches of 32. */
  readonly itemsPerSecond: number;
  readonly teacherItemsPerSecond: number;
  /** Of the weights. */
  readonly sizeBytes: number;
  readonly teacherSizeBytes: number;
  /** Of one example; see `measureEnergy` for where it comes from. */
  readonly millijoules: number;
}

/** Examples that are timed one by one, and how often. */
const [timedExamples, timedTurns] = [20, 5];
/** Examples of a timed batch, and how often it is run. */
const [batchSize, batchTurns] = [32, 15];

/** The teacher that all are measured against. */
export interface Yardstick {
  readonly session: Session;
  readonly scores: readonly number[];
  /** Of its weights as float32, in which it computes. */
  readonly sizeBytes: number;
}

export interface Examples {
  readonly task: TrainTask;
  readonly dataset: Dataset;
}

/** Opens the teacher and has it answer the examples. */
export async function yardstickOf(
  folder: string,
  { task, dataset }: Examples,
  options: SessionOptions,
): Promise<Yardstick> {
  const session = await openServing(folder, options);
  return {
    session,
    scores: await rowScores(session, task, dataset),
    sizeBytes: await floatSize(folder),
  };
}

/** Measures the model of a folder, which `session` serves, in turns with the teacher. */
export async function measure(
  folder: string,
  { task, dataset }: Examples,
  teacher: Yardstick,
  session: Session,
): Promise<Figures> {
  const scores = await rowScores(session, task, dataset);
  const accuracy = mean(scores);
  const [low, high] = pairedInterval(teacher.scores, scores);
  const single = (await sampleBatches(dataset, timedExamples)).map((batch) =>
    feedsFor(session.inputs, batch),
  );
  const first = dataset.lengths.map((_, at) => at).slice(0, batchSize);
  const many = (await batchesOf(dataset, [first])).map((batch) => feedsFor(session.inputs, batch));
  const sessions = [teacher.session, session];
  const [teacherLatencyMs = 0, latencyMs = 0] = await compareLatency(sessions, single, timedTurns);
  const [teacherBatchMs = 0, batchMs = 0] = await compareLatency(sessions, many, batchTurns);
  return {
    accuracy,
    accuracyInterval: wilsonInterval(accuracy, scores.length),
    pointsLost: pointsLost("accuracy", mean(teacher.scores), accuracy),
    pointsLostInterval: [100 * low, 100 * high],
    latencyMs,
    teacherLatencyMs,
    itemsPerSecond: (1000 * first.length) / batchMs,
    teacherItemsPerSecond: (1000 * first.length) / teacherBatchMs,
    sizeBytes: await weightsSize(folder),
    teacherSizeBytes: teacher.sizeBytes,
    millijoules: await energyOf(session, single),
  };
}

/** Millijoules of one example. */
async function energyOf(session: Session, feeds: readonly Feeds[]): Promise<number> {
  const { joules } = await measureEnergy(async () => {
    for (const feed of feeds) await session.run(feed);
  });
  return (1000 * joules) / feeds.length;
}

const weightsSize = async (folder: string): Promise<number> => (await stat(join(folder, weightsFile))).size;

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The figures under the names that manifests give them. */
export const metricsOf = (figures: Figures): Record<string, number> => ({
  accuracy: figures.accuracy,
  points_lost: figures.pointsLost,
  points_lost_low: figures.pointsLostInterval[0],
  points_lost_high: figures.pointsLostInterval[1],
  latency_ms: figures.latencyMs,
  speedup: figures.teacherLatencyMs / figures.latencyMs,
  items_per_second: figures.itemsPerSecond,
  throughput_ratio: figures.itemsPerSecond / figures.teacherItemsPerSecond,
  size_bytes: figures.sizeBytes,
  size_ratio: figures.teacherSizeBytes / figures.sizeBytes,
  millijoules: figures.millijoules,
});
