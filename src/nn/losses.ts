/** Losses, each the mean over the elements that count. N rows, C classes. */

import type { Node } from "../graph/node.ts";
import { add, div, mul, neg, sub, sum } from "../graph/ops/core.ts";
import { crossEntropyRows } from "../graph/ops/cross-entropy.ts";
import { abs, exp, log, maximum, relu, square } from "../graph/ops/math.ts";
import { logSoftmax } from "../graph/ops/norm.ts";
import { mean } from "../graph/ops/reduce.ts";
import { cast, notEqual, where } from "../graph/ops/select.ts";

/** The label of what does not count. */
export const ignoredLabel = -100;

export interface CrossEntropyOptions {
  /** Rows with this label do not count; default `ignoredLabel`. */
  readonly ignoreIndex?: number;
  /** Share of the target spread evenly over all classes, 0 to 1; default 0. Szegedy et al. 2016. */
  readonly labelSmoothing?: number;
}

/** −log softmax(logits)[label], averaged over the rows that count; 0 when none does. logits [N, C], labels int64 [N]. */
export function crossEntropy(logits: Node, labels: Node, options: CrossEntropyOptions = {}): Node {
  const { ignoreIndex = ignoredLabel, labelSmoothing = 0 } = options;
  const counts = notEqual(labels, ignoreIndex);
  const weights = cast(counts, logits.dtype);
  const rows = crossEntropyRows(logits, where(counts, labels, 0), labelSmoothing);
  return div(sum(mul(rows, weights)), maximum(sum(weights), 1));
}

/** −Σ targets · log softmax(logits), averaged over rows. logits and targets [N, C], each row of targets sums to 1. */
export const softCrossEntropy = (logits: Node, targets: Node): Node =>
  neg(mean(sum(mul(targets, logSoftmax(logits)), -1)));

/** Mean of (prediction − target)². */
export const meanSquaredError = (prediction: Node, target: Node): Node =>
  mean(square(sub(prediction, target)));

/** Mean of −y log σ(x) − (1 − y) log(1 − σ(x)), from logits and without overflow. */
export const binaryCrossEntropy = (logits: Node, targets: Node): Node =>
  mean(add(sub(relu(logits), mul(logits, targets)), log(add(1, exp(neg(abs(logits)))))));
