/**
 * Encoder layers as the original vision repositories (timm, MAE, T2T-ViT) name and store them: one projection to queries,
 * keys and values. B batch, T tokens, D hidden size.
 */

import type { Node } from "../graph/node.ts";
import { gelu } from "../graph/ops/activation.ts";
import { add } from "../graph/ops/core.ts";
import { split } from "../graph/ops/shape.ts";
import { joinHeads, scaledDotProductAttention, splitHeads } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";

export interface TimmLayerConfig {
  readonly embedDim: number;
  readonly numHeads: number;
  /** Inner width of the feed-forward block, in multiples of `embedDim`. */
  readonly mlpRatio: number;
  readonly qkvBias: boolean;
  /** Factor of the scores; default 1/√(size of a head). */
  readonly qkScale?: number | null | undefined;
  readonly layerNormEps: number;
  readonly dropRate?: number;
  readonly attnDropRate?: number;
}

class QkvAttention {
  readonly qkv: Linear;
  readonly proj: Linear;

  constructor(
    init: Init,
    private readonly config: TimmLayerConfig,
  ) {
    const { embedDim, qkvBias } = config;
    this.qkv = new Linear(init, embedDim, 3 * embedDim, qkvBias);
    this.proj = new Linear(init, embedDim, embedDim);
  }

  /** [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, captureAs: string): Node {
    const { embedDim, numHeads, qkScale, attnDropRate: dropout = 0 } = this.config;
    const parts = split(this.qkv.forward(x), -1, [embedDim, embedDim, embedDim]);
    const [query, key, value] = parts.map((part) => splitHeads(part, numHeads)) as [Node, Node, Node];
    const options = { scale: qkScale ?? undefined, dropout, captureAs };
    return this.proj.forward(joinHeads(scaledDotProductAttention(ctx, query, [{ key, value }], options)));
  }
}

/** Two linear layers with GELU between. */
export class TimmMlp {
  readonly fc1: Linear;
  readonly fc2: Linear;

  constructor(init: Init, size: number, innerSize: number) {
    this.fc1 = new Linear(init, size, innerSize);
    this.fc2 = new Linear(init, innerSize, size);
  }

  forward(x: Node): Node {
    return this.fc2.forward(gelu(this.fc1.forward(x)));
  }
}

/** Attention and feed-forward, each after a norm and with a skip connection around both. */
export class TimmLayer {
  readonly norm1: LayerNorm;
  readonly attn: QkvAttention;
  readonly norm2: LayerNorm;
  readonly mlp: TimmMlp;

  constructor(
    init: Init,
    private readonly config: TimmLayerConfig,
    private readonly dropPathRate: number,
  ) {
    const { embedDim, mlpRatio, layerNormEps } = config;
    this.norm1 = new LayerNorm(init, embedDim, layerNormEps);
    this.attn = new QkvAttention(init, config);
    this.norm2 = new LayerNorm(init, embedDim, layerNormEps);
    this.mlp = new TimmMlp(init, embedDim, Math.trunc(embedDim * mlpRatio));
  }

  /** [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, captureAs: string): Node {
    const branch = (node: Node): Node =>
      ctx.dropPath(ctx.dropout(node, this.config.dropRate ?? 0), this.dropPathRate);
    const hidden = add(x, branch(this.attn.forward(ctx, this.norm1.forward(x), captureAs)));
    return add(hidden, branch(this.mlp.forward(this.norm2.forward(hidden))));
  }
}

/** Layers whose rate of stochastic depth grows linearly to `dropPathRate`. */
export function timmLayers(
  init: Init,
  config: TimmLayerConfig,
  depth: number,
  dropPathRate = 0,
): TimmLayer[] {
  const last = Math.max(depth - 1, 1);
  return Array.from({ length: depth }, (_, at) => new TimmLayer(init, config, (dropPathRate * at) / last));
}

/** Runs layers; captures `block_output.N` and `attentions.N`. [B, T, D] → [B, T, D]. */
export function runTimmLayers(ctx: Context, layers: readonly TimmLayer[], x: Node): Node {
  return layers.reduce(
    (hidden, layer, at) => ctx.capture(`block_output.${at}`, layer.forward(ctx, hidden, `attentions.${at}`)),
    x,
  );
}
