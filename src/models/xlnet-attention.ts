/**
 * Attention of XLNet and Transformer-XL: scores of content, of distance and of segment.
 * Yang et al. 2019, https://arxiv.org/abs/1906.08237; Dai et al. 2019, https://arxiv.org/abs/1901.02860
 * B batch, T tokens, M tokens of memory, S = M + T keys, N targets, H heads, K size of a head, D = H·K.
 */

import type { Node } from "../graph/node.ts";
import { add, mul, reshape, sub, transpose } from "../graph/ops/core.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { slice, unsqueeze } from "../graph/ops/shape.ts";
import { joinHeads, scaledDotProductAttention, splitHeads } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { byKey } from "../nn/positions-relative.ts";

export interface XLNetAttentionConfig {
  readonly dModel: number;
  readonly nHead: number;
  readonly dropout: number;
  readonly layerNormEps: number;
}

/** What all layers share about where tokens stand. */
export interface Surroundings {
  /** Sinusoids of the distances S − 1 … −T, [1 or B, T + S, D]: one table for all texts, or one for each. */
  readonly distances: Node;
  /** 1 where query and key are of different segments, [B, 1, T, S]; none: segments do not count. */
  readonly differs: Node | undefined;
}

/** What one stream asks. */
export interface Stream {
  /** Content stream: [B, T, D]; query stream: [B, N, D]. */
  readonly states: Node;
  /** Forbids keys; broadcasts to [B, H, T, S]. */
  readonly bias: Node | undefined;
  /** Where a query stream's targets stand, [B, N, T]; none: its states are those of all tokens. */
  readonly targets?: Node | undefined;
  readonly captureAs: string;
}

/** Keys and values of content, [B, H, S, K], and keys of distance, [1 or B, H, T + S, K]. */
export interface XLNetKeys {
  readonly key: Node;
  readonly value: Node;
  readonly distance: Node;
}

export class XLNetAttention {
  readonly query: Node;
  readonly key: Node;
  readonly value: Node;
  readonly output: Node;
  readonly position: Node;
  readonly positionBias: Node;
  readonly segmentBias: Node;
  readonly contentBias: Node;
  readonly segments: Node;
  readonly norm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: XLNetAttentionConfig,
  ) {
    const { dModel, nHead, layerNormEps } = config;
    const headSize = dModel / nHead;
    const projection = (): Node => init.normal([dModel, nHead, headSize]);
    const bias = (): Node => init.normal([nHead, headSize]);
    this.query = projection();
    this.key = projection();
    this.value = projection();
    this.output = projection();
    this.position = projection();
    this.positionBias = bias();
    this.segmentBias = bias();
    this.contentBias = bias();
    this.segments = init.normal([2, nHead, headSize]);
    this.norm = new LayerNorm(init, dModel, layerNormEps);
  }

  /** What both streams attend to: memory and content, [B, S, D]. */
  keysOf(content: Node, { distances }: Surroundings): XLNetKeys {
    return {
      key: this.heads(content, this.key),
      value: this.heads(content, this.value),
      distance: this.heads(distances, this.position),
    };
  }

  /** One stream after attention, skip connection and norm, in the shape of its states. */
  forward(ctx: Context, { states, bias, targets, captureAs }: Stream, keys: XLNetKeys, differs?: Node): Node {
    const asked = this.heads(states, this.query);
    const query = targets ? matmul(perHead(targets), asked, { transA: true }) : asked;
    const attended = scaledDotProductAttention(ctx, add(query, unsqueeze(this.contentBias, 1)), [keys], {
      bias,
      dropout: this.config.dropout,
      captureAs,
      positions: { scores: (_query, _key, scale) => this.placeScores(query, keys, differs, scale) },
    });
    const read = targets ? matmul(perHead(targets), attended) : attended;
    const projected = matmul(joinHeads(read), flat(this.output), { transB: true });
    return this.norm.forward(add(ctx.dropout(projected, this.config.dropout), states));
  }

  /** Scores of distance and segment, [B, H, T, S]. query [B, H, T, K]. */
  private placeScores(query: Node, keys: XLNetKeys, differs: Node | undefined, scale: number): Node {
    const options = { transB: true, alpha: scale };
    const byDistance = matmul(add(query, unsqueeze(this.positionBias, 1)), keys.distance, options);
    const scores = byKey(byDistance);
    if (!differs) return scores;
    const perSegment = transpose(this.segments, [1, 0, 2]); // [H, 2, K]
    const both = matmul(add(query, unsqueeze(this.segmentBias, 1)), perSegment, options); // [B, H, T, 2]
    const [same, other] = [slice(both, -1, 0, 1), slice(both, -1, 1, 2)];
    return add(scores, add(same, mul(differs, sub(other, same))));
  }

  /** [B, L, D] → [B, H, L, K]. */
  private heads(x: Node, weight: Node): Node {
    return splitHeads(matmul(x, flat(weight)), this.config.nHead);
  }
}

/** A projection [D, H, K] as a matrix [D, H·K]. */
const flat = (weight: Node): Node => {
  const [width, heads, size] = weight.shape as [number, number, number];
  return reshape(weight, [width, heads * size]);
};

/** [B, N, T] → [B, 1, N, T]. */
const perHead = (targets: Node): Node => unsqueeze(targets, 1);
