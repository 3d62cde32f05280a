/** Losses of the usual heads, with Hugging Face's conventions for labels. */

import type { Node } from "../graph/node.ts";
import { add, mul, reshape } from "../graph/ops/core.ts";
import { clip } from "../graph/ops/math.ts";
import { flattenRows } from "../graph/ops/matmul.ts";
import { cast } from "../graph/ops/select.ts";
import { binaryCrossEntropy, crossEntropy, meanSquaredError } from "../nn/losses.ts";
import { productOf } from "../tensor/dims.ts";
import { isFloat } from "../tensor/dtype.ts";
import type { ProblemType } from "./config.ts";

/** Cross entropy of logits [..., C] and labels [...]; −100 does not count. */
export const tokenLoss = (logits: Node, labels: Node): Node =>
  crossEntropy(flattenRows(logits), reshape(labels, [productOf(labels.shape)]));

/** The problem that labels of this dtype pose when the config does not say. */
const problemOf = (logits: Node, labels: Node): NonNullable<ProblemType> => {
  if (logits.shape.at(-1) === 1) return "regression";
  return isFloat(labels.dtype) ? "multi_label_classification" : "single_label_classification";
};

/** Loss of a sequence classifier. logits [B, C]; labels [B] or [B, C]. */
export function classificationLoss(logits: Node, labels: Node, problem: ProblemType): Node {
  const kind = problem ?? problemOf(logits, labels);
  if (kind === "single_label_classification") return tokenLoss(logits, labels);
  const targets = reshape(cast(labels, logits.dtype), logits.shape);
  return kind === "regression" ? meanSquaredError(logits, targets) : binaryCrossEntropy(logits, targets);
}

/** Mean of the two cross entropies over positions. logits [B, T]; positions [B], outside [0, T) they do not count. */
export function spanLoss(startLogits: Node, endLogits: Node, starts: Node, ends: Node): Node {
  const length = startLogits.shape[1] as number;
  const positionLoss = (logits: Node, positions: Node): Node =>
    crossEntropy(logits, clip(positions, 0, length), { ignoreIndex: length });
  return mul(add(positionLoss(startLogits, starts), positionLoss(endLogits, ends)), 0.5);
}
