/**
 * What XLNet's tokens see of each other, from its masks and segments.
 * B batch, T tokens, M tokens of memory, S = M + T keys. In masks of this file 1 forbids.
 */

import type { Node } from "../graph/node.ts";
import { add, dimValue, mul, sub, zeros } from "../graph/ops/core.ts";
import { and, cast, equal, greater, less, not, notEqual, or } from "../graph/ops/select.ts";
import { concat, iota, padAxis, unsqueeze } from "../graph/ops/shape.ts";
import { forbidden } from "../nn/attention.ts";
import { addDims, type Dim } from "../tensor/dims.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Inputs } from "./model.ts";

export interface SightOptions {
  /** `uni`: no token sees one after it. */
  readonly attnType: "bi" | "uni";
  /** In `uni`, every token sees as many before it as memory is long, and itself. */
  readonly sameLength: boolean;
  readonly length: Dim;
  readonly memoryLength: Dim;
  readonly dtype: DType;
}

/** Biases [B, 1, T, S], or what broadcasts to it; none where everything is seen. */
export interface Sight {
  /** A token's content sees itself whatever the masks say. */
  readonly content: Node | undefined;
  readonly query: Node | undefined;
}

/**
 * From `attention_mask` [B, T] (1 = attend) or `input_mask` [B, T] (1 = padding), and `perm_mask` [B, T, T]
 * (1 = i may not see j). Memory is seen by all.
 */
export function sightOf(inputs: Inputs, options: SightOptions): Sight {
  const { length, memoryLength, dtype } = options;
  const parts = [dataMask(inputs, options), ordering(options)].filter((mask) => mask !== undefined);
  if (parts.length === 0) return { content: undefined, query: undefined };
  const hidden = parts.reduce((all, mask) => or(all, mask));
  const query = iota(length);
  const own = equal(unsqueeze(add(query, dimValue("int64", memoryLength)), 1), keysOf(options));
  const biasOf = (mask: Node): Node => mul(cast(unsqueeze(mask, 1), dtype), forbidden(dtype));
  return { content: biasOf(and(hidden, not(unsqueeze(own, 0)))), query: biasOf(hidden) };
}

/** Key positions 0 … S − 1, [1, S]. */
const keysOf = ({ length, memoryLength }: SightOptions): Node =>
  unsqueeze(iota(addDims(memoryLength, length)), 0);

/** Forbidden by padding or by the order of a permutation: bool [B, 1 or T, S]. */
function dataMask(inputs: Inputs, { memoryLength, dtype }: SightOptions): Node | undefined {
  const { attention_mask, input_mask, perm_mask } = inputs;
  const padding = attention_mask
    ? sub(1, cast(attention_mask, dtype))
    : input_mask && cast(input_mask, dtype);
  const padded = padding && unsqueeze(padding, 1);
  const permuted = perm_mask && cast(perm_mask, dtype);
  const sum = padded && permuted ? add(padded, permuted) : (padded ?? permuted);
  return sum && greater(padAxis(sum, -1, memoryLength, 0), 0);
}

/** Forbidden since it comes later, or too early: bool [1, T, S]. */
function ordering(options: SightOptions): Node | undefined {
  if (options.attnType === "bi") return undefined;
  const { length, memoryLength, sameLength } = options;
  const query = unsqueeze(iota(length), 1);
  const keys = keysOf(options);
  const isLater = greater(keys, add(query, dimValue("int64", memoryLength)));
  return unsqueeze(sameLength ? or(isLater, less(keys, query)) : isLater, 0);
}

/** 1 where query and key are of different segments, [B, 1, T, S]; memory is of segment 0. segments int64 [B, T]. */
export function segmentsDiffer(segments: Node, memoryLength: Dim, dtype: DType): Node {
  const [batch] = segments.shape as [Dim, Dim];
  const keys = memoryLength === 0 ? segments : concat([zeros("int64", [batch, memoryLength]), segments], 1);
  return cast(unsqueeze(notEqual(unsqueeze(segments, 2), unsqueeze(keys, 1)), 1), dtype);
}
