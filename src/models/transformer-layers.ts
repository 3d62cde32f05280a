/**
 * Layers of an encoder–decoder Transformer, with norms after each block (post-norm, Vaswani et al. 2017,
 * https://arxiv.org/abs/1706.03762) or before it (pre-norm, Xiong et al. 2020, https://arxiv.org/abs/2002.04745).
 * B batch, T target tokens, S source tokens, D hiddenSize.
 */

import type { Node } from "../graph/node.ts";
import { type ActivationName, activations } from "../graph/ops/activation.ts";
import { add } from "../graph/ops/core.ts";
import { type LayerAttentionOptions, MultiHeadAttention } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";

export interface LayerConfig {
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly innerSize: number;
  readonly activation: ActivationName;
  readonly epsilon: number;
  /** Norms stand before the blocks instead of after their residual sums. */
  readonly normFirst: boolean;
  /** Rates of what is dropped: each block's output, attention's probabilities, the feed-forward block's inside. */
  readonly dropout: number;
  readonly attentionDropout: number;
  readonly activationDropout: number;
}

/** What a self- or cross-attention adds to its scores: a bias, positions, a name in the decoder's cache. */
export type AttendOptions = Omit<LayerAttentionOptions, "source" | "scale" | "dropout">;

/** Linear, activation, dropout, linear. */
class InnerBlock {
  readonly up: Linear;
  readonly down: Linear;

  constructor(
    init: Init,
    private readonly config: LayerConfig,
  ) {
    this.up = new Linear(init, config.hiddenSize, config.innerSize);
    this.down = new Linear(init, config.innerSize, config.hiddenSize);
  }

  forward(ctx: Context, x: Node): Node {
    const { activation, activationDropout } = this.config;
    return this.down.forward(ctx.dropout(activations[activation](this.up.forward(x)), activationDropout));
  }
}

/** x + block(x), with the norm where the config wants it. */
function residual(
  ctx: Context,
  x: Node,
  norm: LayerNorm,
  { normFirst, dropout }: LayerConfig,
  block: (x: Node) => Node,
): Node {
  const sum = add(x, ctx.dropout(block(normFirst ? norm.forward(x) : x), dropout));
  return normFirst ? sum : norm.forward(sum);
}

/** Self-attention and feed-forward. */
export class TransformerEncoderLayer {
  readonly selfAttention: MultiHeadAttention;
  readonly selfNorm: LayerNorm;
  readonly feedForward: InnerBlock;
  readonly outputNorm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: LayerConfig,
  ) {
    const { hiddenSize, numHeads, epsilon } = config;
    this.selfAttention = new MultiHeadAttention(init, hiddenSize, numHeads);
    this.selfNorm = new LayerNorm(init, hiddenSize, epsilon);
    this.feedForward = new InnerBlock(init, config);
    this.outputNorm = new LayerNorm(init, hiddenSize, epsilon);
  }

  /** x [B, S, D] → [B, S, D]. */
  forward(ctx: Context, x: Node, options: AttendOptions): Node {
    const dropout = this.config.attentionDropout;
    const attended = residual(ctx, x, this.selfNorm, this.config, (normed) =>
      this.selfAttention.forward(ctx, normed, { ...options, dropout }),
    );
    return residual(ctx, attended, this.outputNorm, this.config, (normed) =>
      this.feedForward.forward(ctx, normed),
    );
  }
}

/** Self-attention, attention to the encoder's output, and feed-forward. */
export class TransformerDecoderLayer {
  readonly selfAttention: MultiHeadAttention;
  readonly selfNorm: LayerNorm;
  readonly crossAttention: MultiHeadAttention;
  readonly crossNorm: LayerNorm;
  readonly feedForward: InnerBlock;
  readonly outputNorm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: LayerConfig,
  ) {
    const { hiddenSize, numHeads, epsilon } = config;
    this.selfAttention = new MultiHeadAttention(init, hiddenSize, numHeads);
    this.selfNorm = new LayerNorm(init, hiddenSize, epsilon);
    this.crossAttention = new MultiHeadAttention(init, hiddenSize, numHeads);
    this.crossNorm = new LayerNorm(init, hiddenSize, epsilon);
    this.feedForward = new InnerBlock(init, config);
    this.outputNorm = new LayerNorm(init, hiddenSize, epsilon);
  }

  /** x [B, T, D], the encoder's output [B, S, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, source: Node, self: AttendOptions, cross: AttendOptions): Node {
    const dropout = this.config.attentionDropout;
    const attended = residual(ctx, x, this.selfNorm, this.config, (normed) =>
      this.selfAttention.forward(ctx, normed, { ...self, dropout }),
    );
    const informed = residual(ctx, attended, this.crossNorm, this.config, (normed) =>
      this.crossAttention.forward(ctx, normed, { ...cross, source, dropout }),
    );
    return residual(ctx, informed, this.outputNorm, this.config, (normed) =>
      this.feedForward.forward(ctx, normed),
    );
  }
}

/** Layers one after the other. Captures `encoder_hidden_states.N` (0: the input) and `encoder_attentions.N`. */
export function runEncoder(
  ctx: Context,
  layers: readonly TransformerEncoderLayer[],
  embedded: Node,
  options: AttendOptions,
): Node {
  let hidden = ctx.capture("encoder_hidden_states.0", embedded);
  layers.forEach((layer, at) => {
    hidden = layer.forward(ctx, hidden, { ...options, captureAs: `encoder_attentions.${at}` });
    ctx.capture(`encoder_hidden_states.${at + 1}`, hidden);
  });
  return hidden;
}

/**
 * Layers one after the other; `cross` is attention to `source`. Captures `decoder_hidden_states.N` (0: the input),
 * `decoder_attentions.N` and `cross_attentions.N`; keys and values are cached as `N.self` and `N.cross`.
 */
export function runDecoder(
  ctx: Context,
  layers: readonly TransformerDecoderLayer[],
  embedded: Node,
  source: Node,
  self: AttendOptions,
  cross: AttendOptions,
): Node {
  let hidden = ctx.capture("decoder_hidden_states.0", embedded);
  layers.forEach((layer, at) => {
    const own = { ...self, captureAs: `decoder_attentions.${at}`, cacheAs: `${at}.self` };
    const other = { ...cross, captureAs: `cross_attentions.${at}`, cacheAs: `${at}.cross` };
    hidden = layer.forward(ctx, hidden, source, own, other);
    ctx.capture(`decoder_hidden_states.${at + 1}`, hidden);
  });
  return hidden;
}
