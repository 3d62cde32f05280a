/**
 * Contrastive losses of pairs: image i belongs to text i and to no other. Features have length 1.
 * N pairs of all ranks, M ≤ N pairs of one rank, D features.
 */

import type { Node } from "../graph/node.ts";
import { add, countOf, div, mul, sum } from "../graph/ops/core.ts";
import { exp, softplus } from "../graph/ops/math.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { l2Norm } from "../graph/ops/reduce.ts";
import { equal, where } from "../graph/ops/select.ts";
import { iota, unsqueeze } from "../graph/ops/shape.ts";
import type { Dim } from "../tensor/dims.ts";
import { crossEntropy } from "./losses.ts";

/** Features of as many images as texts, each [N, D]. */
export interface PairFeatures {
  readonly images: Node;
  readonly texts: Node;
}

/** Rows [..., D] divided by their length. */
export const normalized = (x: Node): Node => div(x, l2Norm(x, -1, true));

/** Similarities of rows [M, D] and columns [N, D] times e^logScale → [M, N]. */
export const scaledSimilarities = (rows: Node, columns: Node, logScale: Node): Node =>
  mul(matmul(rows, columns, { transB: true }), exp(logScale));

/**
 * InfoNCE both ways: the mean of the cross-entropies of each image among all texts and each text among all images.
 * Radford et al. 2021, https://arxiv.org/abs/2103.00020
 * A rank gives its own pairs, of which the first is number `first` of all; the mean over ranks of these losses and of
 * their gradients (those of other ranks' features included) is what one rank with all pairs has.
 */
export function contrastiveLoss(own: PairFeatures, logScale: Node, all = own, first = 0): Node {
  const labels = add(iota(own.images.shape[0]!), first);
  const oneWay = (rows: Node, columns: Node): Node =>
    crossEntropy(scaledSimilarities(rows, columns, logScale), labels);
  return mul(add(oneWay(own.images, all.texts), oneWay(own.texts, all.images)), 0.5);
}

/**
 * Every image with every text as a question of its own, whether they belong together: Σ log(1 + e^(∓logit)) / M.
 * Zhai et al. 2023 (SigLIP), https://arxiv.org/abs/2303.15343
 * A rank gives its own images, all texts and the number of its first pair, as for `contrastiveLoss`.
 */
export function sigmoidLoss(
  { images }: Pick<PairFeatures, "images">,
  logScale: Node,
  bias: Node,
  texts: Node,
  first = 0,
): Node {
  const logits = add(scaledSimilarities(images, texts, logScale), bias);
  const [rows, columns] = logits.shape as [Dim, Dim];
  const isPair = equal(unsqueeze(add(iota(rows), first), 1), unsqueeze(iota(columns), 0));
  const negated = where(isPair, mul(logits, -1), logits);
  return div(sum(softplus(negated)), countOf(logits, [0]));
}
