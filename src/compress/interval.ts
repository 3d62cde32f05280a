/** 95 % confidence intervals of accuracies and of their differences. */

import { Random } from "../tensor/random.ts";

export type Interval = readonly [low: number, high: number];

/** Standard deviations of a normal distribution on either side that hold 95 %. */
const z = 1.959964;

/** Wilson's score interval of a share of `count` (Wilson 1927). */
export function wilsonInterval(share: number, count: number): Interval {
  const scale = 1 + z ** 2 / count;
  const middle = (share + z ** 2 / (2 * count)) / scale;
  const half = (z * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2))) / scale;
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

const resamples = 1000;

/**
 * Paired bootstrap of the mean of `before` − `after`, scores of the same examples (Efron 1979): examples are drawn
 * again with their two scores, by a fixed seed, and 95 % of the means lie within.
 */
export function pairedInterval(before: readonly number[], after: readonly number[]): Interval {
  const differences = before.map((score, at) => score - after[at]!);
  const { length } = differences;
  const random = new Random(0);
  const mean = (): number => {
    let sum = 0;
    for (let drawn = 0; drawn < length; drawn++) sum += differences[random.integer(length)]!;
    return sum / length;
  };
  const means = Array.from({ length: resamples }, mean).sort((a, b) => a - b);
  const cut = Math.floor(resamples * 0.025);
  return [means[cut]!, means[resamples - 1 - cut]!];
}
