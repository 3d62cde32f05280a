/**
 * What relative positions share: a row of numbers by distance becomes a row of numbers by key, and back.
 * T queries, S keys; query t and key s have the distance s − t + (start of the keys − start of the queries).
 */

import type { Node } from "../graph/node.ts";
import { add, broadcastTo, dimValue, reshape } from "../graph/ops/core.ts";
import { iota, padAxis, slice } from "../graph/ops/shape.ts";
import { addDims, type Dim, mulDims, subDims } from "../tensor/dims.ts";

/**
 * Distances of the columns of `byKey`: key minus query, from −(T − 1) to S when both start together; int64 [T + S].
 * The last column is beyond all keys and is never read.
 */
export function distances(queries: Dim, keys: Dim, keyOffset: Dim = 0): Node {
  const first = subDims(addDims(keyOffset, 1), queries);
  return add(iota(addDims(queries, keys)), dimValue("int64", first));
}

/**
 * Moves row t by T − 1 − t to the left: x [..., T, T + S], columns in the order of `distances`, → [..., T, S].
 * No element is looked up: in memory, row t simply starts one element earlier. Dai et al. 2019 (Transformer-XL),
 * https://arxiv.org/abs/1901.02860, appendix B.
 */
export function byKey(x: Node): Node {
  const [queries, columns] = x.shape.slice(-2) as [Dim, Dim];
  const batch = x.shape.slice(0, -2);
  const narrower = subDims(columns, 1);
  const start = subDims(queries, 1);
  const flat = reshape(x, [...batch, mulDims(queries, columns)]);
  const moved = slice(flat, -1, start, addDims(start, mulDims(queries, narrower)));
  return slice(reshape(moved, [...batch, queries, narrower]), -1, 0, subDims(columns, queries));
}

/** The reverse of `byKey`, zero where a distance has no key: x [..., T, S] → [..., T, T + S]. */
export function byDistance(x: Node): Node {
  const [queries, keys] = x.shape.slice(-2) as [Dim, Dim];
  const batch = x.shape.slice(0, -2);
  const before = subDims(queries, 1);
  const padded = padAxis(x, -1, 0, before);
  const flat = reshape(padded, [...batch, mulDims(queries, addDims(keys, before))]);
  return reshape(padAxis(flat, -1, before, 1), [...batch, queries, addDims(queries, keys)]);
}

/** A table's row for every query and key: rows [T + S], in the order of `distances`, → [T, S]. */
export function pairIndices(rows: Node, queries: Dim): Node {
  return byKey(broadcastTo(rows, [queries, rows.shape[0]!]));
}
