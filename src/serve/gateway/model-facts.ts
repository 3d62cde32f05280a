/** What the router knows about a model, and how a name finds one. */

import type { Modality, Rules } from "./rules.ts";

export interface ModelFacts {
  /** How to ask for exactly this model: `name@3`, `name@3:int8`, or a bundled model's name. */
  readonly ref: string;
  readonly name: string;
  /** Such as `int8`; undefined for the model itself. */
  readonly variant?: string | undefined;
  /** Whether it is of the newest version of its name. */
  readonly isNewest: boolean;
  readonly task?: string | undefined;
  readonly modality?: Modality | undefined;
  /** Undefined when nothing is said, and then any may be. */
  readonly languages?: readonly string[] | undefined;
  /** Between 0 and 1. */
  readonly accuracy?: number | undefined;
  /** Measured milliseconds of an answer without a queue. */
  readonly latencyMs?: number | undefined;
  readonly cost?: number | undefined;
}

/** What changes while it serves. */
export interface LiveState {
  readonly isAvailable: boolean;
  /** Why it is not. */
  readonly reason?: string;
  /** Running mean of an answer's milliseconds; undefined before the first. */
  readonly latencyMs?: number;
  /** Milliseconds that a new request would wait. */
  readonly waitMs: number;
}

/** What a server says about one model it has. */
export interface ListedModel {
  readonly ref: string;
  readonly name: string;
  readonly variant?: string | undefined;
  readonly task?: string | undefined;
  readonly metrics?: Readonly<Record<string, number>> | undefined;
}

/** Metrics that say how good a model is, best known first. Those in percent are above 1. */
const qualityMetrics = ["accuracy", "f1", "spearman", "bleu"];

/** Facts of listed models, in the list's order: a later version of a name is newer. What the rules state goes first. */
export function factsOf(listed: readonly ListedModel[], { models }: Rules): ModelFacts[] {
  const newest = new Map(listed.map((model) => [model.name, versionOf(model)]));
  return listed.map((model) => {
    const { ref, name, variant, task, metrics = {} } = model;
    const version = versionOf(model);
    const stated = { ...models[name], ...models[version], ...models[ref] };
    return {
      ref,
      name,
      variant,
      isNewest: newest.get(name) === version,
      task,
      modality: task === undefined ? undefined : modalityOf(task),
      accuracy: qualityIn(metrics),
      latencyMs: metrics.latency_ms,
      ...stated,
    };
  });
}

/** `name`, `name@3`, `name@int8` or `name@3:int8` among the models. */
export function resolve(ref: string, models: readonly ModelFacts[]): ModelFacts | undefined {
  const exact = models.find((model) => model.ref === ref);
  if (exact) return exact;
  const [name, variant] = ref.split("@");
  return models.findLast((model) => model.isNewest && model.name === name && model.variant === variant);
}

/** The expected milliseconds to an answer; undefined when nothing was measured. */
export function expectedMs({ latencyMs }: ModelFacts, live: LiveState): number | undefined {
  const computeMs = live.latencyMs ?? latencyMs;
  return computeMs === undefined ? undefined : computeMs + live.waitMs;
}

/** The stated cost; else its milliseconds, since those are what it occupies. */
export const costOf = ({ cost, latencyMs }: ModelFacts): number => cost ?? latencyMs ?? 0;

/** The reference of the version that a variant is one of; a version's own reference. */
const versionOf = ({ ref, variant }: ListedModel): string =>
  variant === undefined ? ref : ref.slice(0, -1 - variant.length);

function qualityIn(metrics: Readonly<Record<string, number>>): number | undefined {
  const name = qualityMetrics.find((metric) => metrics[metric] !== undefined);
  if (name === undefined) return undefined;
  return metrics[name]! > 1 ? metrics[name]! / 100 : metrics[name];
}

const imageTextTasks = ["zero-shot-image-classification", "visual-question-answering", "image-text-to-text"];

function modalityOf(task: string): Modality {
  if (imageTextTasks.includes(task)) return "image+text";
  return /image/.test(task) ? "image" : "text";
}
