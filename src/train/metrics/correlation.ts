/** How well predicted numbers follow the true ones. */

import { checkLengths } from "./classification.ts";

/** Pearson correlation, −1 to 1; 0 where one side does not vary, so that it stays a number. */
export function pearson(predicted: readonly number[], actual: readonly number[]): number {
  checkLengths("pearson", predicted, actual);
  const [x, y] = [centred(predicted), centred(actual)];
  const spread = Math.sqrt(dot(x, x) * dot(y, y));
  return spread === 0 ? 0 : dot(x, y) / spread;
}

/** Pearson correlation of the ranks; equal values share the mean of their ranks. */
export const spearman = (predicted: readonly number[], actual: readonly number[]): number =>
  pearson(ranks(predicted), ranks(actual));

/** Mean of the squared differences. */
export function meanSquaredError(predicted: readonly number[], actual: readonly number[]): number {
  checkLengths("mean squared error", predicted, actual);
  return predicted.reduce((sum, value, at) => sum + (value - actual[at]!) ** 2, 0) / actual.length;
}

function centred(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - mean);
}

const dot = (x: readonly number[], y: readonly number[]): number =>
  x.reduce((sum, value, at) => sum + value * y[at]!, 0);

/** Ranks from 1. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, at) => at).sort((a, b) => values[a]! - values[b]!);
  const result = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) result[order[i]!] = (start + 1 + end) / 2;
    start = end;
  }
  return result;
}
