/** Hidden states of one token of every text. B batch, T tokens, D hidden size. */

import type { Node } from "../graph/node.ts";
import { add, div, mul, sum } from "../graph/ops/core.ts";
import { oneHot } from "../graph/ops/indexing.ts";
import { maximum } from "../graph/ops/math.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { argMax, mean } from "../graph/ops/reduce.ts";
import { cast } from "../graph/ops/select.ts";
import { iota, slice, squeeze, unsqueeze } from "../graph/ops/shape.ts";

/** hidden [B, T, D] at one position of each text, int64 [B] → [B, D]. */
export const stateAt = (hidden: Node, position: Node): Node =>
  squeeze(matmul(unsqueeze(oneHot(position, hidden.shape[1]!, hidden.dtype), 1), hidden), 1);

/** hidden [B, T, D] at the last token that the mask [B, T] has; the last of all without a mask → [B, D]. */
export function lastState(hidden: Node, mask: Node | undefined): Node {
  if (!mask) return squeeze(slice(hidden, 1, -1), 1);
  const order = add(iota(hidden.shape[1]!, "float32"), 1);
  return stateAt(hidden, argMax(mul(cast(mask, "float32"), order), 1));
}

/** The first token, or the first that the mask has. */
export const firstState = (hidden: Node, mask?: Node): Node =>
  mask ? stateAt(hidden, argMax(cast(mask, "float32"), 1)) : squeeze(slice(hidden, 1, 0, 1), 1);

/** The mean over the tokens that the mask has. */
export function meanState(hidden: Node, mask: Node | undefined): Node {
  if (!mask) return mean(hidden, 1);
  const weights = cast(mask, hidden.dtype);
  const total = squeeze(matmul(unsqueeze(weights, 1), hidden), 1);
  return div(total, maximum(sum(weights, 1, true), 1));
}
