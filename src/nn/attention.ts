/**
 * Multi-head attention. Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
 * B batch, T target length, S source length, H heads, K size of a head, D = H·K.
 */

import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add, mul, reshape, sub, transpose } from "../graph/ops/core.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { softmax } from "../graph/ops/norm.ts";
import { cast, greaterEqual, where } from "../graph/ops/select.ts";
import { iota, unsqueeze } from "../graph/ops/shape.ts";
import type { Dim } from "../tensor/dims.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Context } from "./context.ts";
import { Linear } from "./linear.ts";
import type { Init } from "./module.ts";

/** The most negative number that is added to scores to forbid a position; finite, so that no row becomes NaN. */
export const forbidden = (dtype: DType): number => (dtype === "float64" ? -1e300 : -3.4028234663852886e38);

export interface AttentionOptions {
  /** Added to the scores; broadcasts to [B, H, T, S]. */
  readonly bias?: Node | undefined;
  /** Factor of the scores; default 1/√K. */
  readonly scale?: number | undefined;
  /** Rate at which probabilities are dropped in training; default 0. */
  readonly dropout?: number | undefined;
  /** Name under which the probabilities [B, H, T, S] are captured. */
  readonly captureAs?: string | undefined;
}

/** softmax(q kᵀ · scale + bias) v. q [B, H, T, K], k [B, H, S, K], v [B, H, S, V] → [B, H, T, V]. */
export function scaledDotProductAttention(
  ctx: Context,
  query: Node,
  key: Node,
  value: Node,
  { bias, scale, dropout = 0, captureAs }: AttentionOptions = {},
): Node {
  const alpha = scale ?? 1 / Math.sqrt(query.shape.at(-1) as number);
  const scores = matmul(query, key, { transB: true, alpha });
  const probabilities = softmax(bias ? add(scores, bias) : scores);
  if (captureAs) ctx.capture(captureAs, probabilities);
  return matmul(ctx.dropout(probabilities, dropout), value);
}

/**
 * A mask (1 = attend) of keys [B, S] or of pairs [B, T, S] as a bias [B, 1, 1, S] or [B, 1, T, S]: 0 where allowed, the
 * most negative number elsewhere.
 */
export function paddingBias(mask: Node, dtype: DType): Node {
  const perHead = unsqueeze(mask.rank === 2 ? unsqueeze(mask, 1) : mask, 1);
  return mul(sub(1, cast(perHead, dtype)), forbidden(dtype));
}

/** A bias [T, S] under which position t sees only positions s ≤ t. */
export function causalBias(targetLength: Dim, sourceLength: Dim, dtype: DType): Node {
  const isAllowed = greaterEqual(unsqueeze(iota(targetLength), 1), unsqueeze(iota(sourceLength), 0));
  return where(isAllowed, mul(cast(isAllowed, dtype), 0), forbidden(dtype));
}

/** [B, T, H·K] → [B, H, T, K]. */
export function splitHeads(x: Node, numHeads: number): Node {
  const [batch, length, width] = x.shape as [Dim, Dim, number];
  return transpose(reshape(x, [batch, length, numHeads, width / numHeads]), [0, 2, 1, 3]);
}

/** [B, H, T, K] → [B, T, H·K]. */
export function joinHeads(x: Node): Node {
  const [batch, heads, length, size] = x.shape as [Dim, number, Dim, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, length, heads * size]);
}

/** Projections to queries, keys and values, attention in every head, and the projection back. */
export class MultiHeadAttention {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly output: Linear;

  /** @throws ConfigError unless `numHeads` divides `hiddenSize`. */
  constructor(
    init: Init,
    hiddenSize: number,
    private readonly numHeads: number,
    sourceSize = hiddenSize,
  ) {
    if (hiddenSize % numHeads !== 0) {
      throw new ConfigError(`attention: hiddenSize ${hiddenSize} is not a multiple of numHeads ${numHeads}`);
    }
    this.query = new Linear(init, hiddenSize, hiddenSize);
    this.key = new Linear(init, sourceSize, hiddenSize);
    this.value = new Linear(init, sourceSize, hiddenSize);
    this.output = new Linear(init, hiddenSize, hiddenSize);
  }

  /** x [B, T, D] attends to `source` [B, S, ·], itself by default → [B, T, D]. */
  forward(ctx: Context, x: Node, options: AttentionOptions & { readonly source?: Node } = {}): Node {
    const source = options.source ?? x;
    const query = splitHeads(this.query.forward(x), this.numHeads);
    const key = splitHeads(this.key.forward(source), this.numHeads);
    const value = splitHeads(this.value.forward(source), this.numHeads);
    return this.output.forward(joinHeads(scaledDotProductAttention(ctx, query, key, value, options)));
  }
}
