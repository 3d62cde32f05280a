/**
 * Losses by which a student follows a teacher: what it answers, the states it computes, and which examples it finds
 * alike. B batch, C classes, D and E widths.
 */

import type { Node } from "../graph/node.ts";
import { add, div, mul, sub, sum } from "../graph/ops/core.ts";
import { exp, maximum, sqrt, square } from "../graph/ops/math.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { logSoftmax } from "../graph/ops/norm.ts";
import { mean } from "../graph/ops/reduce.ts";
import { cast } from "../graph/ops/select.ts";

/**
 * T² KL(teacher ‖ student) of each row's distributions, softened by a temperature T. Logits [..., C] → [...].
 * Hinton et al. 2015, https://arxiv.org/abs/1503.02531
 */
export function softenedDivergences(student: Node, teacher: Node, temperature: number): Node {
  const [learned, taught] = [student, teacher].map((logits) => logSoftmax(mul(logits, 1 / temperature)));
  return mul(sum(mul(exp(taught!), sub(taught!, learned!)), -1), temperature ** 2);
}

/** Keeps the angle of a vector without length defined. */
const tiny = 1e-12;

/** 1 − cos of the angle between vectors, [..., D] → [...]. Sanh et al. 2019, https://arxiv.org/abs/1910.01108 */
export function cosineDistances(student: Node, teacher: Node): Node {
  const squares = (x: Node): Node => add(sum(square(x), -1), tiny);
  return sub(1, div(sum(mul(student, teacher), -1), sqrt(mul(squares(student), squares(teacher)))));
}

/**
 * How differently two models find the examples of a batch alike: the mean squared difference of their matrices of inner
 * products, each row of length 1. student [B, D], teacher [B, E].
 * Tung & Mori 2019, https://arxiv.org/abs/1907.09682
 */
export const similarityDistance = (student: Node, teacher: Node): Node =>
  mean(square(sub(likeness(student), likeness(teacher))));

/** [B, D] → [B, B]. */
function likeness(features: Node): Node {
  const products = matmul(features, features, { transB: true });
  return div(products, sqrt(add(sum(square(products), -1, true), tiny)));
}

/** Mean over all rows, or over those that a mask (1 = counts) of the same shape tells; 0 when none counts. */
export function meanOver(rows: Node, mask?: Node): Node {
  if (!mask) return mean(rows);
  const weights = cast(mask, rows.dtype);
  return div(sum(mul(rows, weights)), maximum(sum(weights), 1));
}
