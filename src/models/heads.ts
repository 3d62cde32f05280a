/** Losses of the usual heads, with Hugging Face's conventions for labels. */

import type { Node } from "../graph/node.ts";
import { add, full, mul, reshape, sum } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { clip } from "../graph/ops/math.ts";
import { flattenRows } from "../graph/ops/matmul.ts";
import { argMax } from "../graph/ops/reduce.ts";
import { cast, equal, notEqual } from "../graph/ops/select.ts";
import { concat, slice, squeeze } from "../graph/ops/shape.ts";
import { binaryCrossEntropy, crossEntropy, ignoredLabel, meanSquaredError } from "../nn/losses.ts";
import { productOf } from "../tensor/dims.ts";
import { isFloat } from "../tensor/dtype.ts";
import type { ProblemType } from "./config.ts";
import type { Inputs, Outputs } from "./model.ts";

/** Cross entropy of logits [..., C] and labels [...]; −100 does not count. */
export const tokenLoss = (logits: Node, labels: Node): Node =>
  crossEntropy(flattenRows(logits), reshape(labels, [productOf(labels.shape)]));

/** Hidden states of the tokens that a vocabulary head is asked about, and their labels where they are known. */
export interface AskedTokens {
  readonly hidden: Node;
  readonly labels: Node | undefined;
}

/**
 * Every token, or only those at `masked_positions` [N], which number the tokens of all rows from 0 to B·T − 1. As long
 * as every label that counts is at one of them, the loss is the same, and a head over V words computes N·V scores
 * instead of B·T·V. hidden [B, T, D], `labels` [B, T] → [N, D], [N].
 */
export function askedTokens(hidden: Node, { labels, masked_positions: positions }: Inputs): AskedTokens {
  if (!positions) return { hidden, labels };
  const rows = flattenRows(hidden);
  const flatLabels = labels && reshape(labels, [rows.shape[0]!]);
  return { hidden: gather(rows, positions), labels: flatLabels && gather(flatLabels, positions) };
}

/**
 * What the labels of a vocabulary's scores give, nothing without labels: `loss`, `token_count` of labels that count, and
 * `correct_count` of those whose token has the highest score. logits [..., V], labels [...].
 */
export function tokenLossOutputs(logits: Node, labels: Node | undefined): Outputs {
  if (!labels) return {};
  const count = (condition: Node): Node => sum(cast(condition, "int64"));
  return {
    loss: tokenLoss(logits, labels),
    token_count: count(notEqual(labels, ignoredLabel)),
    correct_count: count(equal(labels, argMax(logits))),
  };
}

/** The labels [B, T] of a causal model, each token's own id, as what each position is to predict; nothing at the last. */
export function nextTokens(labels: Node): Node {
  const [batch] = labels.shape;
  return concat([slice(labels, 1, 1), full(ignoredLabel, labels.dtype, [batch!, 1])], 1);
}

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

/** Logits [..., C] with their cross entropy where labels [...] are given. */
export const tokenOutputs = (logits: Node, { labels }: Inputs): Outputs =>
  labels ? { loss: tokenLoss(logits, labels), logits } : { logits };

/** Logits [B, C] of a sequence classifier with their loss where labels are given. */
export const classOutputs = (logits: Node, { labels }: Inputs, problem: ProblemType): Outputs =>
  labels ? { loss: classificationLoss(logits, labels, problem), logits } : { logits };

/** Mean of the two cross entropies over positions. logits [B, T]; positions [B], outside [0, T) they do not count. */
export function spanLoss(startLogits: Node, endLogits: Node, starts: Node, ends: Node): Node {
  const length = startLogits.shape[1] as number;
  const positionLoss = (logits: Node, positions: Node): Node =>
    crossEntropy(logits, clip(positions, 0, length), { ignoreIndex: length });
  return mul(add(positionLoss(startLogits, starts), positionLoss(endLogits, ends)), 0.5);
}

/** Scores [B, T, 2] of every token to be the first and the last of the answer, with their loss where it is known. */
export function spanOutputs(scores: Node, { start_positions, end_positions }: Inputs): Outputs {
  const side = (at: number): Node => squeeze(slice(scores, 2, at, at + 1), 2);
  const logits = { start_logits: side(0), end_logits: side(1) };
  if (!start_positions || !end_positions) return logits;
  return {
    loss: spanLoss(logits.start_logits, logits.end_logits, start_positions, end_positions),
    ...logits,
  };
}
