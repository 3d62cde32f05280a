/** A steady load on a cluster, every answer checked, and faults while it runs. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../deploy/local/cluster.ts";

/** A question, and the score that each version which may answer gives; a version by its reference. */
export interface Question {
  readonly text: string;
  readonly scores: Readonly<Record<string, number>>;
}

export interface LoadOptions {
  readonly model: string;
  readonly questions: readonly Question[];
  /** Requests per second; they come by chance, whether earlier ones are answered or not. */
  readonly rate: number;
}

type Outcome = "right" | "wrong" | "lost";

interface Sample {
  /** When it was to be sent, as of performance.now(). */
  readonly atMs: number;
  /** From then to the answer. */
  readonly ms: number;
  readonly outcome: Outcome;
  readonly repeats: number;
  readonly detail: string;
}

/** Scores of one text in batches of different shapes differ by rounding. */
const tolerance = 1e-4;
/** A client asks again when its connection breaks or it is told to come later. */
const maxRepeats = 2;
/** More than the models have. */
const allLabels = 10;

export class SteadyLoad {
  readonly samples: Sample[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private isStopped = false;
  private readonly running: Promise<void>;

  constructor(
    private readonly url: string,
    private readonly options: LoadOptions,
  ) {
    this.running = this.run();
  }

  /** Sends no more, and resolves when all is answered. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await this.running;
    await Promise.all(this.underWay);
  }

  private async run(): Promise<void> {
    let atMs = performance.now();
    for (let count = 0; !this.isStopped; count++) {
      atMs += (-Math.log(1 - Math.random()) * 1000) / this.options.rate;
      await sleep(Math.max(0, atMs - performance.now()));
      const question = this.options.questions[count % this.options.questions.length]!;
      const asked = ask(this.url, this.options.model, question, atMs)
        .then((sample) => void this.samples.push(sample))
        .finally(() => this.underWay.delete(asked));
      this.underWay.add(asked);
    }
  }
}

/**
 * Asks, and again while there is no answer and a client would. `atMs`: when the request was to be sent. Half of the requests
 * ask for a number of labels that no other asks for, so that no cache has their answer.
 */
export async function ask(url: string, model: string, question: Question, atMs: number): Promise<Sample> {
  const labels = Math.random() < 0.5 ? allLabels : allLabels + Math.ceil(Math.random() * 1e9);
  for (let repeats = 0; ; repeats++) {
    const [outcome, detail] = await askOnce(url, model, question, labels);
    if (outcome !== "lost" || repeats === maxRepeats)
      return { atMs, ms: performance.now() - atMs, outcome, repeats, detail };
    await sleep(50);
  }
}

async function askOnce(
  url: string,
  model: string,
  { text, scores }: Question,
  labels: number,
): Promise<[Outcome, string]> {
  try {
    const answer = await fetch(`${url}/v1/predict/${model}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ inputs: text, parameters: { top_k: labels } }),
    });
    const body = await answer.text();
    if (!answer.ok) return ["lost", `${answer.status}: ${body}`];
    const ref = answer.headers.get("x-model-ref") ?? "";
    const score = scoreIn(JSON.parse(body));
    const isRight = Math.abs(score - (scores[ref] ?? Number.NaN)) < tolerance;
    return isRight
      ? ["right", ref]
      : ["wrong", `${ref} gave ${score} for ${text}: ${JSON.stringify(scores)}`];
  } catch (error) {
    return ["lost", String((error as Error).cause ?? error)];
  }
}

/** The score of one certain label, which is not always the first. */
export const scoreIn = (answer: readonly { label: string; score: number }[]): number =>
  [...answer].sort((a, b) => (a.label < b.label ? -1 : 1))[0]!.score;

/** Something that happens to a cluster, and how it ends. */
export interface Fault {
  readonly name: string;
  readonly begin: (cluster: Cluster) => unknown;
  readonly end?: (cluster: Cluster) => unknown;
}

export const killed = (name: string): Fault => ({
  name: `kill -9 ${name}`,
  begin: (cluster) => cluster.signal(name, "SIGKILL"),
  end: (cluster) => cluster.revive(name),
});

export const hung = (name: string): Fault => ({
  name: `SIGSTOP ${name}`,
  begin: (cluster) => cluster.signal(name, "SIGSTOP"),
  end: (cluster) => cluster.signal(name, "SIGCONT"),
});

/** What clients noticed of one fault. */
export interface Notice {
  readonly fault: string;
  readonly requests: number;
  readonly lost: number;
  readonly wrong: number;
  /** Requests that the client itself had to repeat. */
  readonly repeated: number;
  readonly maxMs: number;
  /** When the slowest was asked, after the fault. */
  readonly maxAfterMs: number;
  /** From the fault until the 99th percentile of a second is normal and stays so, while the fault lasts. */
  readonly recoveryMs: number;
  /** The same from the fault's end on, as when a process that was killed starts again. */
  readonly returnMs: number;
  readonly details: readonly string[];
}

export interface FaultTimes {
  /** Under load before the first fault, from which is learnt what is normal. */
  readonly quietMs: number;
  /** From a fault to its end, and to the next one from when all parts are ready again. */
  readonly faultMs: number;
}

/** Lets the faults happen one after the other under a steady load. Also returns the normal 99th percentile. */
export async function sufferFaults(
  cluster: Cluster,
  options: LoadOptions,
  faults: readonly Fault[],
  { quietMs, faultMs }: FaultTimes,
): Promise<{ normalMs: number; notices: Notice[] }> {
  const load = new SteadyLoad(cluster.url, options);
  await sleep(quietMs);
  const spans: Span[] = [];
  for (const { begin, end } of faults) {
    const beginMs = performance.now();
    await begin(cluster);
    await sleep(faultMs);
    const endMs = performance.now();
    await end?.(cluster);
    await cluster.untilReady();
    await sleep(faultMs);
    spans.push({ beginMs, endMs, nextMs: performance.now() });
  }
  await load.stop();
  const normalMs = percentile(between(load.samples, 0, spans[0]!.beginMs), 0.99);
  return {
    normalMs,
    notices: faults.map(({ name }, at) => noticeOf(name, load.samples, spans[at]!, normalMs)),
  };
}

/** When a fault began and ended, and when the next one could begin, as of performance.now(). */
interface Span {
  readonly beginMs: number;
  readonly endMs: number;
  readonly nextMs: number;
}

const between = (samples: readonly Sample[], fromMs: number, toMs: number): Sample[] =>
  samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);

export function percentile(samples: readonly { readonly ms: number }[], share: number): number {
  const sorted = samples.map(({ ms }) => ms).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

function noticeOf(
  fault: string,
  all: readonly Sample[],
  { beginMs, endMs, nextMs }: Span,
  normalMs: number,
): Notice {
  const samples = between(all, beginMs, nextMs);
  const slowest = samples.reduce<Sample | undefined>(
    (best, each) => (best && best.ms > each.ms ? best : each),
    undefined,
  );
  const count = (outcome: Outcome): number => samples.filter((sample) => sample.outcome === outcome).length;
  return {
    fault,
    requests: samples.length,
    lost: count("lost"),
    wrong: count("wrong"),
    repeated: samples.filter(({ repeats }) => repeats > 0).length,
    maxMs: Math.round(slowest?.ms ?? 0),
    maxAfterMs: Math.round((slowest?.atMs ?? beginMs) - beginMs),
    recoveryMs: recoveryOf(between(samples, beginMs, endMs), beginMs, normalMs),
    returnMs: recoveryOf(between(samples, endMs, nextMs), endMs, normalMs),
    details: samples.filter(({ outcome }) => outcome !== "right").map(({ detail }) => detail),
  };
}

const windowMs = 1000;

/** The end of the last second whose 99th percentile is neither twice the normal one nor less than 100 ms above it. */
function recoveryOf(samples: readonly Sample[], startMs: number, normalMs: number): number {
  const limitMs = Math.max(2 * normalMs, normalMs + 100);
  const lastMs = Math.max(startMs, ...samples.map(({ atMs }) => atMs));
  let recoveryMs = 0;
  for (let fromMs = startMs; fromMs + windowMs <= lastMs; fromMs += windowMs)
    if (percentile(between(samples, fromMs, fromMs + windowMs), 0.99) > limitMs)
      recoveryMs = Math.round(fromMs + windowMs - startMs);
  return recoveryMs;
}
