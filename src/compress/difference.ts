/** How far outputs are from what they should be. */

import type { Tensor } from "../tensor/tensor.ts";

export interface OutputError {
  /** Mean KL divergence, in nats, of the softmax over the last axis. */
  readonly kl: number;
  /** Mean squared difference over the mean square of what is expected. */
  readonly mse: number;
  /** Cosine of the angle between both, 1 when they point the same way. */
  readonly cosine: number;
}

/** Largest |actual − expected| as a share of the largest |expected|; infinite where a shape differs or a number is none. */
export function largestDifference(actual: Tensor, expected: Tensor): number {
  if (actual.shape.join() !== expected.shape.join()) return Number.POSITIVE_INFINITY;
  const [own, other] = [actual.toNumbers(), expected.toNumbers()];
  let [most, largest] = [0, 0];
  for (const [at, value] of other.entries()) {
    const difference = Math.abs(own[at]! - value);
    if (Number.isNaN(difference) && !Object.is(own[at], value)) return Number.POSITIVE_INFINITY;
    most = Math.max(most, difference);
    largest = Math.max(largest, Math.abs(value));
  }
  return largest === 0 ? most : most / largest;
}

export function outputError(actual: Tensor, expected: Tensor): OutputError {
  const [own, other] = [actual.toNumbers(), expected.toNumbers()];
  let [difference, power, ownPower, product] = [0, 0, 0, 0];
  for (const [at, value] of other.entries()) {
    difference += (own[at]! - value) ** 2;
    power += value ** 2;
    ownPower += own[at]! ** 2;
    product += own[at]! * value;
  }
  return {
    kl: divergence(own, other, expected.shape.at(-1) ?? 1),
    mse: power > 0 ? difference / power : difference,
    cosine: power > 0 && ownPower > 0 ? product / Math.sqrt(power * ownPower) : 1,
  };
}

function divergence(actual: readonly number[], expected: readonly number[], size: number): number {
  let total = 0;
  for (let from = 0; from < expected.length; from += size) {
    const p = logSoftmax(expected.slice(from, from + size));
    const q = logSoftmax(actual.slice(from, from + size));
    total += p.reduce((sum, log, at) => sum + Math.exp(log) * (log - q[at]!), 0);
  }
  return total / Math.max(1, expected.length / size);
}

function logSoftmax(logits: readonly number[]): number[] {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
  return logits.map((logit) => logit - most - Math.log(sum));
}
