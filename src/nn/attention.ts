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
import { concat, iota, split, unsqueeze } from "../graph/ops/shape.ts";
import { addDims, type Dim } from "../tensor/dims.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Context } from "./context.ts";
import { Linear } from "./linear.ts";
import type { Init } from "./module.ts";

/** The most negative number that is added to scores to forbid a position; finite, so that no row becomes NaN. */
export const forbidden = (dtype: DType): number => (dtype === "float64" ? -1e300 : -3.4028234663852886e38);

/** Keys and values [B, H, S, K] that queries attend to. */
export interface KeyValues {
  readonly key: Node;
  readonly value: Node;
}

/**
 * Positions that act inside attention; made for one forward pass, whose lengths and offsets it knows. Positions that
 * only add a bias to the scores are given as `bias`.
 */
export interface AttentionPositions {
  /** Turns queries and keys [B, H, T, K] by their positions. Su et al. 2021 (rotary), https://arxiv.org/abs/2104.09864 */
  rotate?(x: Node): Node;
  /** Turns values [B, H, T, K], where those are turned as well. */
  rotateValue?(x: Node): Node;
  /**
   * [B, H, T, S] or what broadcasts to it, added to the scaled scores; `keyStart` is the position of the first key.
   * Shaw et al. 2018, https://arxiv.org/abs/1803.02155
   */
  scores?(query: Node, key: Node, scale: number, keyStart: Dim): Node;
  /** [B, H, T, K] from probabilities [B, H, T, S], added to the output. Shaw et al. 2018. */
  values?(probabilities: Node): Node;
}

export interface AttentionOptions {
  /** Added to the scores; broadcasts to [B, H, T, S]. */
  readonly bias?: Node | undefined;
  readonly positions?: AttentionPositions | undefined;
  /** Factor of the scores; default 1/√K. */
  readonly scale?: number | undefined;
  /** Rate at which probabilities are dropped in training; default 0. */
  readonly dropout?: number | undefined;
  /** Name under which the probabilities [B, H, T, S] are captured. */
  readonly captureAs?: string | undefined;
}

/**
 * softmax(q kᵀ · scale + bias) v. query [B, H, T, K]; parts of the source, each key and value [B, H, Sᵢ, K], attended to
 * as if they were one of S = Σ Sᵢ positions, but never joined → [B, H, T, K].
 */
export function scaledDotProductAttention(
  ctx: Context,
  query: Node,
  parts: readonly KeyValues[],
  { bias, positions, scale, dropout = 0, captureAs }: AttentionOptions = {},
): Node {
  const alpha = scale ?? 1 / Math.sqrt(query.shape.at(-1) as number);
  let keyStart: Dim = 0;
  const scoresOf = ({ key }: KeyValues): Node => {
    const scores = matmul(query, key, { transB: true, alpha });
    const start = keyStart;
    keyStart = addDims(start, key.shape.at(-2)!);
    return positions?.scores ? add(scores, positions.scores(query, key, alpha, start)) : scores;
  };
  const scores = concat(parts.map(scoresOf), -1);
  const probabilities = softmax(bias ? add(scores, bias) : scores);
  if (captureAs) ctx.capture(captureAs, probabilities);
  const kept = ctx.dropout(probabilities, dropout);
  const weights = split(
    kept,
    -1,
    parts.map(({ key }) => key.shape.at(-2)!),
  );
  const output = parts
    .map(({ value }, at) => matmul(weights[at]!, value))
    .reduce((sum, part) => add(sum, part));
  return positions?.values ? add(output, positions.values(kept)) : output;
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

export interface AttentionShape {
  /** Size of a head; default hiddenSize / numHeads. */
  readonly headSize?: number;
  /** Width of what keys and values are made of; default hiddenSize. */
  readonly sourceSize?: number;
  /** Whether projections have a bias; default true. */
  readonly hasBias?: boolean;
  /** Whether the projection back has one; default `hasBias`. */
  readonly hasOutputBias?: boolean;
}

export interface LayerAttentionOptions extends AttentionOptions {
  /** Cross-attention: [B, S, ·] to attend to instead of x. */
  readonly source?: Node | undefined;
  /** Name of this layer's keys and values in a decoder's cache. */
  readonly cacheAs?: string | undefined;
}

/** Projections to queries, keys and values, attention in every head, and the projection back. */
export class MultiHeadAttention {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly output: Linear;

  /** @throws ConfigError unless `numHeads` divides `hiddenSize` or the size of a head is given. */
  constructor(
    init: Init,
    hiddenSize: number,
    private readonly numHeads: number,
    shape: AttentionShape = {},
  ) {
    const { headSize = hiddenSize / numHeads, sourceSize = hiddenSize, hasBias = true } = shape;
    if (!Number.isInteger(headSize)) {
      throw new ConfigError(`attention: hiddenSize ${hiddenSize} is not a multiple of numHeads ${numHeads}`);
    }
    const width = numHeads * headSize;
    this.query = new Linear(init, hiddenSize, width, hasBias);
    this.key = new Linear(init, sourceSize, width, hasBias);
    this.value = new Linear(init, sourceSize, width, hasBias);
    this.output = new Linear(init, width, hiddenSize, shape.hasOutputBias ?? hasBias);
  }

  /** x [B, T, D] attends to `source` [B, S, ·], itself by default → [B, T, D]. */
  forward(ctx: Context, x: Node, options: LayerAttentionOptions = {}): Node {
    const { source, positions, cacheAs } = options;
    const rotate = (node: Node): Node => positions?.rotate?.(node) ?? node;
    const heads = (linear: Linear, node: Node): Node => splitHeads(linear.forward(node), this.numHeads);
    const query = rotate(heads(this.query, x));
    const value = heads(this.value, source ?? x);
    const own = {
      key: rotate(heads(this.key, source ?? x)),
      value: positions?.rotateValue?.(value) ?? value,
    };
    const parts = keyValuesOf(ctx, own, cacheAs, source !== undefined);
    return this.output.forward(joinHeads(scaledDotProductAttention(ctx, query, parts, options)));
  }
}

/** This step's keys and values, with those of earlier steps where the pass decodes from a cache. */
export function keyValuesOf(
  ctx: Context,
  own: KeyValues,
  name: string | undefined,
  isCross: boolean,
): KeyValues[] {
  if (!ctx.cache || !name) return [own];
  return isCross ? [ctx.cache.fixed(name, own)] : ctx.cache.extend(name, own);
}
