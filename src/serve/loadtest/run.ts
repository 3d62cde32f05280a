/**
 * Sends a trace: each request at its time, whether earlier ones are answered or not. Latency counts from the time that a
 * request was to be sent, so that a server (or this process) that stalls is not hidden: what it kept waiting counts.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { build, type Histogram } from "hdr-histogram-js";
import type { Ask } from "./asker.ts";
import type { Arrival } from "./trace.ts";

/** Latencies of answered requests in milliseconds. */
export interface Latencies {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
}

/** One second of a test. */
export interface Second {
  readonly sent: number;
  readonly answered: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface LoadResult {
  /** Requests sent after the warm-up. */
  readonly sent: number;
  /** Answered with a status of 200 to 299. */
  readonly answered: number;
  /** Answered 429: the server said that it has too much to do. */
  readonly rejected: number;
  /** All others, those without an answer among them. */
  readonly failed: number;
  /** By status; 0 where there was no answer. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests sent, and answered well, in a second. */
  readonly offeredPerSecond: number;
  readonly answeredPerSecond: number;
  readonly latencyMs: Latencies;
  readonly seconds: readonly Second[];
  /** Milliseconds that this process was late to send, 99th percentile: a value near the latency says that it is too slow. */
  readonly lateP99Ms: number;
}

export interface RunOptions {
  /** Requests of the first seconds are sent and not counted. Default 0. */
  readonly warmUpSeconds?: number;
  /** Sends no more when it aborts. */
  readonly signal?: AbortSignal;
  /** Told about every second. */
  readonly onProgress?: (sent: number, answered: number) => void;
}

/** Resolves when the last request has ended. */
export async function runTrace(
  trace: readonly Arrival[],
  ask: Ask,
  options: RunOptions = {},
): Promise<LoadResult> {
  const { warmUpSeconds = 0, signal, onProgress } = options;
  const record = new Recorder(warmUpSeconds * 1000);
  const underWay = new Set<Promise<void>>();
  const startMs = performance.now();
  const progress = setInterval(() => onProgress?.(record.sent, record.answered), 1000);
  for (const { atMs, text } of trace) {
    const waitMs = startMs + atMs - performance.now();
    if (waitMs > 1) await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    if (signal?.aborted) break;
    record.send(atMs, performance.now() - startMs);
    const call = ask(text).then((status) => {
      record.end(atMs, performance.now() - startMs, status);
      underWay.delete(call);
    });
    underWay.add(call);
  }
  await Promise.all(underWay);
  clearInterval(progress);
  return record.result((trace.at(-1)?.atMs ?? 0) - warmUpSeconds * 1000);
}

interface OpenSecond {
  sent: number;
  answered: number;
  readonly latencies: Histogram;
}

/** From 1 µs to an hour with three digits. */
const histogram = (): Histogram =>
  build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
  });

class Recorder {
  sent = 0;
  answered = 0;
  private readonly all = histogram();
  private readonly late = histogram();
  private readonly statuses: Record<string, number> = {};
  private readonly seconds: OpenSecond[] = [];

  constructor(private readonly warmUpMs: number) {}

  send(intendedMs: number, sentMs: number): void {
    if (intendedMs < this.warmUpMs) return;
    this.sent++;
    this.late.recordValue(microseconds(sentMs - intendedMs));
    this.secondOf(intendedMs).sent++;
  }

  end(intendedMs: number, endMs: number, status: number): void {
    if (intendedMs < this.warmUpMs) return;
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    if (!isGood(status)) return;
    this.answered++;
    const taken = microseconds(endMs - intendedMs);
    this.all.recordValue(taken);
    const second = this.secondOf(intendedMs);
    second.answered++;
    second.latencies.recordValue(taken);
  }

  result(measuredMs: number): LoadResult {
    const rejected = this.statuses[429] ?? 0;
    const perSecond = (count: number): number => (measuredMs > 0 ? (count * 1000) / measuredMs : 0);
    return {
      sent: this.sent,
      answered: this.answered,
      rejected,
      failed: this.sent - this.answered - rejected,
      statuses: this.statuses,
      offeredPerSecond: perSecond(this.sent),
      answeredPerSecond: perSecond(this.answered),
      latencyMs: latenciesOf(this.all),
      seconds: this.seconds.map(({ sent, answered, latencies }) => ({
        sent,
        answered,
        p50Ms: latencies.getValueAtPercentile(50) / 1000,
        p99Ms: latencies.getValueAtPercentile(99) / 1000,
      })),
      lateP99Ms: this.late.getValueAtPercentile(99) / 1000,
    };
  }

  private secondOf(intendedMs: number): OpenSecond {
    const at = Math.floor((intendedMs - this.warmUpMs) / 1000);
    while (this.seconds.length <= at) this.seconds.push({ sent: 0, answered: 0, latencies: histogram() });
    return this.seconds[at]!;
  }
}

const isGood = (status: number): boolean => status >= 200 && status < 300;
const microseconds = (ms: number): number => Math.max(1, Math.round(ms * 1000));

function latenciesOf(values: Histogram): Latencies {
  const at = (percentile: number): number => values.getValueAtPercentile(percentile) / 1000;
  return {
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: values.totalCount > 0 ? values.maxValue / 1000 : 0,
    mean: values.totalCount > 0 ? values.mean / 1000 : 0,
  };
}
