/** Drawing the next token from its scores. V vocabulary. */

import type { Random } from "../tensor/random.ts";
import { largest } from "./largest.ts";
import type { GenerationSettings } from "./options.ts";

const defaultTopK = 50;

/**
 * A token drawn from softmax(scores / temperature), within the `top_k` likeliest and of those within `top_p`. One random
 * number is used, and tokens share the unit interval in the order of their ids, so that rounding hardly ever matters.
 * Fan et al. 2018 (top-k), https://arxiv.org/abs/1805.04833; Holtzman et al. 2020 (top-p), https://arxiv.org/abs/1904.09751
 */
export function drawToken(scores: Float32Array, settings: GenerationSettings, random: Random): number {
  const { temperature, top_k, top_p } = settings;
  const likely = withinTopK(scores, top_k ?? defaultTopK);
  const weights = softmaxOf(likely, scores, temperature ?? 1);
  const kept = withinTopP(weights, top_p ?? 1);
  const total = kept.reduce((sum, at) => sum + weights[at]!, 0);
  let left = random.uniform() * total;
  for (const at of kept) {
    left -= weights[at]!;
    if (left < 0) return likely[at]!;
  }
  return likely[kept.at(-1)!]!;
}

/** Ids of the k largest scores and of those equal to the k-th, in order; of all possible tokens where k is 0. */
function withinTopK(scores: Float32Array, k: number): number[] {
  const least = k > 0 && k < scores.length ? scores[largest(scores, k).at(-1)!]! : Number.NEGATIVE_INFINITY;
  const ids: number[] = [];
  for (let id = 0; id < scores.length; id++) {
    if (scores[id]! >= least && scores[id]! > Number.NEGATIVE_INFINITY) ids.push(id);
  }
  return ids;
}

/** Probabilities of the given tokens among themselves. */
function softmaxOf(ids: readonly number[], scores: Float32Array, temperature: number): Float64Array {
  const weights = Float64Array.from(ids, (id) => scores[id]! / temperature);
  const peak = weights.reduce((most, weight) => Math.max(most, weight), Number.NEGATIVE_INFINITY);
  let total = 0;
  for (let at = 0; at < weights.length; at++) total += weights[at] = Math.exp(weights[at]! - peak);
  for (let at = 0; at < weights.length; at++) weights[at]! /= total;
  return weights;
}

/** Indices, in order, of the fewest largest weights that make up `share` of 1; at least one. */
function withinTopP(weights: Float64Array, share: number): number[] {
  const all = [...weights.keys()];
  if (share >= 1) return all;
  // All that are this small make up less than the rest, so they need not be sorted.
  const negligible = (1 - share) / weights.length;
  const sorted = all.filter((at) => weights[at]! >= negligible).sort((a, b) => weights[b]! - weights[a]!);
  let sum = 0;
  const count = sorted.findIndex((at) => {
    sum += weights[at]!;
    return sum >= share;
  });
  return sorted.slice(0, count < 0 ? undefined : count + 1).sort((a, b) => a - b);
}
