/**
 * How much each token counts for one score of a model, by gradients with respect to the embeddings.
 * B rows, T tokens, D hidden size.
 */

import { ConfigError } from "../errors.ts";
import type { Feeds } from "../runtime/session.ts";
import { sizeOf, Tensor } from "../tensor/tensor.ts";
import { embeddedInput, gradientGraph, pointInput, type TracedModel } from "./graphs.ts";
import { gaussLegendre } from "./quadrature.ts";
import type { ModelRunner } from "./runner.ts";
import type { Target } from "./target.ts";

/** Values are in the unit of the score (a logit), one for each token. */
export interface Gradients {
  /**
   * Integrated gradients from the baseline: they add up to score − baselineScore.
   * Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365
   */
  readonly integratedGradients: readonly number[];
  /** Gradient · embedding. */
  readonly gradientTimesInput: readonly number[];
  /** Share of each position among those at which the score is read; they add up to 1. */
  readonly reading: readonly number[];
  readonly score: number;
  readonly baselineScore: number;
  /** What the integrated gradients add up to less what they should; the error of integration. */
  readonly completenessError: number;
}

export interface GradientSetup {
  readonly runner: ModelRunner;
  readonly model: TracedModel;
  /** Other inputs of the model, one row each. */
  readonly feeds: Feeds;
  /** Inputs that all rows have in common. */
  readonly shared?: Feeds;
  /** [T, D], of the text and of the baseline. */
  readonly embedded: Tensor;
  readonly baseline: Tensor;
  readonly target: Target;
  /** Points of the path from the baseline at which the gradient is taken, from 1. */
  readonly steps: number;
}

/** Most tokens of one batch: bounds the memory of gradients through a vocabulary. */
const maxBatchTokens = 512;

/** Gradients of the target along the straight path from the baseline to the text. */
export async function gradientsOf(setup: GradientSetup): Promise<Gradients> {
  const { runner, model, embedded, steps, target } = setup;
  if (!Number.isInteger(steps) || steps < 1) {
    throw new ConfigError(`explain: steps must be a whole number from 1, got ${steps}`);
  }
  const [length, width] = embedded.shape as [number, number];
  const { points, weights } = gaussLegendre(steps);
  const path = [...points, 0, 1]; // the ends give the two scores, and the gradient at the text
  const rows = Math.max(1, Math.floor(maxBatchTokens / length));
  const batches = Array.from({ length: Math.ceil(path.length / rows) }, (_, at) =>
    pathFeeds(setup, path.slice(at * rows, (at + 1) * rows)),
  );
  const results = await runner.run(gradientGraph(model, Object.keys(target.points)), batches);
  const [scores, gradients, reading] = ["scores", "gradient", "reading"].map((name) =>
    joinRows(results, name),
  );
  const [baselineScore, score] = scores!.slice(-2) as Float32Array & [number, number];
  const change = difference(embedded, setup.baseline);
  const integratedGradients = dotByToken(weightedSum(gradients!, weights, length * width), change, width);
  return {
    integratedGradients,
    gradientTimesInput: dotByToken(gradients!.slice(-length * width), embedded.toNumbers(), width),
    reading: shares([...reading!.slice(-length)]),
    score,
    baselineScore,
    completenessError: total(integratedGradients) - (score - baselineScore),
  };
}

/** float32 [B, …] as B tensors. */
export function rowsOf({ shape, data }: Tensor): Tensor[] {
  const [rows, ...inner] = shape as [number, ...number[]];
  const size = sizeOf(inner);
  return Array.from(
    { length: rows },
    (_, row) => new Tensor("float32", inner, data.slice(row * size, (row + 1) * size) as Float32Array),
  );
}

/** One output of all batches, one behind the other. */
const joinRows = (results: readonly Readonly<Record<string, Tensor>>[], name: string): Float32Array =>
  Float32Array.from(results.flatMap((outputs) => outputs[name]!.toNumbers()));

/** Σ over rows of weight · row. */
function weightedSum(rows: Float32Array, weights: readonly number[], size: number): Float64Array {
  const sum = new Float64Array(size);
  for (const [row, weight] of weights.entries()) {
    for (let at = 0; at < size; at++) sum[at]! += weight * rows[row * size + at]!;
  }
  return sum;
}

const difference = (a: Tensor, b: Tensor): number[] => {
  const subtrahend = b.toNumbers();
  return a.toNumbers().map((value, at) => value - subtrahend[at]!);
};

/** The feeds of some places of the path, from 0, the baseline, to 1, the text. */
function pathFeeds(
  { feeds, shared, embedded, baseline, target }: GradientSetup,
  places: readonly number[],
): Feeds {
  const size = embedded.data.length;
  const data = new Float32Array(places.length * size);
  for (const [row, place] of places.entries()) {
    for (let at = 0; at < size; at++) {
      data[row * size + at] = (1 - place) * Number(baseline.data[at]) + place * Number(embedded.data[at]);
    }
  }
  const points = Object.entries(target.points).map(([output, index]) => {
    const rows = places.flatMap((_, row) => [row, ...index]);
    return [pointInput(output), Tensor.from("int64", [places.length, index.length + 1], rows)] as const;
  });
  const repeated = Object.entries(feeds).map(
    ([name, tensor]) => [name, repeatRow(tensor, places.length)] as const,
  );
  return {
    ...shared,
    ...Object.fromEntries([...repeated, ...points]),
    [embeddedInput]: new Tensor("float32", [places.length, ...embedded.shape], data),
  };
}

/** The first row of a batch, `count` times. */
function repeatRow(tensor: Tensor, count: number): Tensor {
  const [rows, ...inner] = tensor.shape as [number, ...number[]];
  const row = tensor.toNumbers().slice(0, tensor.size / rows);
  return Tensor.from(tensor.dtype, [count, ...inner], Array.from({ length: count }, () => row).flat());
}

/** Σ over D of a · b, for each token. */
function dotByToken(a: ArrayLike<number>, b: ArrayLike<number>, width: number): number[] {
  const sums: number[] = Array.from({ length: a.length / width }, () => 0);
  for (let at = 0; at < a.length; at++) sums[Math.floor(at / width)]! += a[at]! * b[at]!;
  return sums;
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

function shares(values: readonly number[]): number[] {
  const sum = total(values);
  return values.map((value) => (sum === 0 ? 1 / values.length : value / sum));
}
