/** From logits to probabilities and the best of them. */

import type { Tensor } from "../tensor/tensor.ts";

/** The numbers at `row` of a tensor [rows, width] or, for row 0, of a tensor [width]. */
export function rowAt(tensor: Tensor, row: number): number[] {
  const width = tensor.shape.at(-1)!;
  return Array.from({ length: width }, (_, at) => Number(tensor.data[row * width + at]));
}

/** exp(x) / Σ exp(x). */
export function softmax(logits: ArrayLike<number>): number[] {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) most = Math.max(most, logits[i]!);
  const powers = Array.from(logits, (value) => Math.exp(value - most));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

/** 1 / (1 + exp(−x)). */
export const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));

/** The index of the largest value, the first of equals. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** Up to so many, the best are inserted one by one; more are sorted. */
const fewBest = 32;

/** Indices of the `count` largest values, largest first; of equals the first. */
export function topIndices(values: ArrayLike<number>, count: number): number[] {
  if (count > fewBest) {
    const all = Array.from({ length: values.length }, (_, at) => at);
    return all.sort((a, b) => values[b]! - values[a]!).slice(0, count);
  }
  const best: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (best.length === count && !(values[i]! > values[best.at(-1)!]!)) continue;
    let at = best.length;
    while (at > 0 && values[i]! > values[best[at - 1]!]!) at--;
    best.splice(at, 0, i);
    if (best.length > count) best.pop();
  }
  return best;
}
