/** Losses, each the mean over the elements that count. N rows, C classes. */

import type { Node } from "../graph/node.ts";
import { add, div, mul, neg, sub, sum } from "../graph/ops/core.ts";
import { takeAlong } from "../graph/ops/indexing.ts";
import { abs, exp, log, maximum, relu, square } from "../graph/ops/math.ts";
import { logSoftmax } from "../graph/ops/norm.ts";
import { mean } from "../graph/ops/reduce.ts";
import { cast, notEqual, where } from "../graph/ops/select.ts";
import { squeeze, unsqueeze } from "../graph/ops/shape.ts";

export interface CrossEntropyOptions {
  /** Rows with this label do not count; default −100. */
  readonly ignoreIndex?: number;
  /** Share of the target spread evenly over all classes, 0 to 1; default 0. Szegedy et al. 2016. */
  readonly labelSmoothing?: number;
}

/** −log softmax(logits)[label], averaged over the rows that count; 0 when none does. logits [N, C], labels int64 [N]. */
export function crossEntropy(logits: Node, labels: Node, options: CrossEntropyOptions = {}): Node {
  const { ignoreIndex = -100, labelSmoothing = 0 } = options;
  const counts = notEqual(labels, ignoreIndex);
  const weights = cast(counts, logits.dtype);
  const logProbabilities = logSoftmax(logits);
  const picked = squeeze(takeAlong(logProbabilities, unsqueeze(where(counts, labels, 0), -1)), -1);
  const spread = (): Node =>
    add(mul(picked, 1 - labelSmoothing), mul(mean(logProbabilities, -1), labelSmoothing));
  const perRow = labelSmoothing === 0 ? picked : spread();
  return neg(div(sum(mul(perRow, weights)), maximum(sum(weights), 1)));
}

/** Mean of (prediction − target)². */
export const meanSquaredError = (prediction: Node, target: Node): Node =>
  mean(square(sub(prediction, target)));

/** Mean of −y log σ(x) − (1 − y) log(1 − σ(x)), from logits and without overflow. */
export const binaryCrossEntropy = (logits: Node, targets: Node): Node =>
  mean(add(sub(relu(logits), mul(logits, targets)), log(add(1, exp(neg(abs(logits)))))));
