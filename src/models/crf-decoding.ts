/**
 * The best tags of a linear chain and the probability of every tag, from a model's scores; on the host, since a
 * sentence's chain is short. T positions, C tags.
 */

import type { Tensor } from "../tensor/tensor.ts";

/** Scores between neighbours. */
export interface Chain {
  /** `transitions[i][j]`: j follows i. */
  readonly transitions: readonly ArrayLike<number>[];
  readonly start: ArrayLike<number>;
  readonly end: ArrayLike<number>;
}

type Scores = ArrayLike<number>;

/** The chain in a tensor [C + 2, C], or in the first row of [B, C + 2, C]: transitions, start, end. */
export function chainOf({ data, shape }: Tensor): Chain {
  const numTags = shape.at(-1)!;
  const values = data as Float32Array;
  const row = (at: number): Scores => values.subarray(at * numTags, (at + 1) * numTags);
  return {
    transitions: Array.from({ length: numTags }, (_, at) => row(at)),
    start: row(numTags),
    end: row(numTags + 1),
  };
}

const plus = (a: Scores, b: Scores): Float64Array => Float64Array.from(a, (value, at) => value + b[at]!);

/** The sequence of the highest score, and that score. Viterbi 1967. */
export function bestPath(emissions: readonly Scores[], chain: Chain): { tags: number[]; score: number } {
  if (emissions.length === 0) return { tags: [], score: 0 };
  const numTags = chain.start.length;
  const origins: Int32Array[] = [];
  let scores = plus(chain.start, emissions[0]!);
  for (const emission of emissions.slice(1)) {
    const origin = new Int32Array(numTags);
    const next = new Float64Array(numTags).fill(Number.NEGATIVE_INFINITY);
    for (let from = 0; from < numTags; from++) {
      const row = chain.transitions[from]!;
      for (let to = 0; to < numTags; to++) {
        const score = scores[from]! + row[to]!;
        if (!(score > next[to]!)) continue;
        next[to] = score;
        origin[to] = from;
      }
    }
    origins.push(origin);
    scores = plus(next, emission);
  }
  const totals = plus(scores, chain.end);
  let tag = totals.indexOf(Math.max(...totals));
  const score = totals[tag]!;
  const tags = [tag];
  for (const origin of origins.reverse()) {
    tag = origin[tag]!;
    tags.push(tag);
  }
  return { tags: tags.reverse(), score };
}

/** P(tag) at every position given all emissions, T × C, by the forward-backward algorithm. */
export function marginals(emissions: readonly Scores[], chain: Chain): Float64Array[] {
  const forward: Float64Array[] = [];
  for (const emission of emissions) {
    const before = forward.at(-1);
    forward.push(plus(before ? stepForward(before, chain) : chain.start, emission));
  }
  const backward: Float64Array[] = [Float64Array.from(chain.end)];
  for (const emission of emissions.slice(1).reverse()) {
    backward.push(stepBackward(plus(backward.at(-1)!, emission), chain));
  }
  backward.reverse();
  return forward.map((scores, at) => normalised(plus(scores, backward[at]!)));
}

/** log Σᵢ e^(scoresᵢ + transitionᵢⱼ) for every j. */
const stepForward = (scores: Scores, { transitions }: Chain): Float64Array =>
  Float64Array.from(scores, (_, to) => logSumExp(transitions.map((row, from) => scores[from]! + row[to]!)));

/** log Σⱼ e^(transitionᵢⱼ + scoresⱼ) for every i. */
const stepBackward = (scores: Scores, { transitions }: Chain): Float64Array =>
  Float64Array.from(transitions, (row) => logSumExp(plus(row, scores)));

function logSumExp(values: Scores): number {
  let peak = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < values.length; at++) peak = Math.max(peak, values[at]!);
  let total = 0;
  for (let at = 0; at < values.length; at++) total += Math.exp(values[at]! - peak);
  return peak + Math.log(total);
}

function normalised(scores: Float64Array): Float64Array {
  const total = logSumExp(scores);
  return scores.map((score) => Math.exp(score - total));
}
