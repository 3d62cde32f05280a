/**
 * Layers of T5: pre-norm without shifts, projections without biases, attention without 1/√K.
 * Raffel et al. 2020, https://arxiv.org/abs/1910.10683
 * B batch, T tokens, S source tokens, D dModel, H heads, K dKv.
 */

import type { Node } from "../graph/node.ts";
import { type ActivationName, activations } from "../graph/ops/activation.ts";
import { add, mul } from "../graph/ops/core.ts";
import { joinHeads, keyValuesOf, scaledDotProductAttention, splitHeads } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import { Init } from "../nn/module.ts";
import { RmsNorm } from "../nn/norm.ts";

/** The sizes and rates that layers need of T5's configuration. */
export interface T5LayerConfig {
  readonly dModel: number;
  readonly dKv: number;
  readonly dFf: number;
  readonly numHeads: number;
  readonly dropoutRate: number;
  readonly layerNormEpsilon: number;
  readonly activation: ActivationName;
  /** Whether the feed-forward block's inside is multiplied by a second one. Shazeer 2020, https://arxiv.org/abs/2002.05202 */
  readonly isGated: boolean;
}

/** What attention gets beside its input. */
export interface T5AttentionOptions {
  /** Added to the scores; broadcasts to [B, H, T, S]. */
  readonly bias?: Node | undefined;
  /** Cross-attention: [B, S, D] to attend to instead of the input. */
  readonly source?: Node | undefined;
  readonly captureAs: string;
  readonly cacheAs?: string | undefined;
}

/** A projection without bias whose first values have `init.std` / √`scale`: T5 draws each by its input's size. */
const projection = (init: Init, inSize: number, outSize: number, scale = inSize): Linear =>
  new Linear(new Init(init.std / Math.sqrt(scale), init.dtype), inSize, outSize, false);

/** Attention in every head; queries are drawn small in place of a factor 1/√K. */
class T5Attention {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly output: Linear;

  constructor(
    init: Init,
    private readonly config: T5LayerConfig,
  ) {
    const { dModel, dKv, numHeads } = config;
    const width = numHeads * dKv;
    this.query = projection(init, dModel, width, dModel * dKv);
    this.key = projection(init, dModel, width);
    this.value = projection(init, dModel, width);
    this.output = projection(init, width, dModel);
  }

  /** x [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, { bias, source, captureAs, cacheAs }: T5AttentionOptions): Node {
    const { numHeads, dropoutRate: dropout } = this.config;
    const heads = (linear: Linear, node: Node): Node => splitHeads(linear.forward(node), numHeads);
    const own = { key: heads(this.key, source ?? x), value: heads(this.value, source ?? x) };
    const parts = keyValuesOf(ctx, own, cacheAs, source !== undefined);
    const options = { bias, scale: 1, dropout, captureAs };
    return this.output.forward(
      joinHeads(scaledDotProductAttention(ctx, heads(this.query, x), parts, options)),
    );
  }
}

/** Linear, activation, linear. */
class T5FeedForward {
  readonly up: Linear;
  readonly down: Linear;

  constructor(
    init: Init,
    private readonly config: T5LayerConfig,
  ) {
    this.up = projection(init, config.dModel, config.dFf);
    this.down = projection(init, config.dFf, config.dModel);
  }

  /** [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node): Node {
    const inner = activations[this.config.activation](this.up.forward(x));
    return this.down.forward(ctx.dropout(inner, this.config.dropoutRate));
  }
}

/** Linear and activation, times another linear, then linear. */
class T5GatedFeedForward {
  readonly gate: Linear;
  readonly linear: Linear;
  readonly down: Linear;

  constructor(
    init: Init,
    private readonly config: T5LayerConfig,
  ) {
    this.gate = projection(init, config.dModel, config.dFf);
    this.linear = projection(init, config.dModel, config.dFf);
    this.down = projection(init, config.dFf, config.dModel);
  }

  /** [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node): Node {
    const inner = mul(activations[this.config.activation](this.gate.forward(x)), this.linear.forward(x));
    return this.down.forward(ctx.dropout(inner, this.config.dropoutRate));
  }
}

/** Self-attention, attention to the encoder in a decoder, and feed-forward: x + f(norm(x)) each. */
export class T5Block {
  readonly selfNorm: RmsNorm;
  readonly selfAttention: T5Attention;
  readonly crossNorm: RmsNorm | undefined;
  readonly crossAttention: T5Attention | undefined;
  readonly feedForwardNorm: RmsNorm;
  readonly feedForward: T5FeedForward | T5GatedFeedForward;

  constructor(
    init: Init,
    private readonly config: T5LayerConfig,
    isDecoder: boolean,
  ) {
    const norm = (): RmsNorm => new RmsNorm(init, config.dModel, config.layerNormEpsilon);
    this.selfNorm = norm();
    this.selfAttention = new T5Attention(init, config);
    this.crossNorm = isDecoder ? norm() : undefined;
    this.crossAttention = isDecoder ? new T5Attention(init, config) : undefined;
    this.feedForwardNorm = norm();
    this.feedForward = config.isGated
      ? new T5GatedFeedForward(init, config)
      : new T5FeedForward(init, config);
  }

  /** x [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, self: T5AttentionOptions, cross?: T5AttentionOptions): Node {
    const plus = (sum: Node, block: Node): Node => add(sum, ctx.dropout(block, this.config.dropoutRate));
    const attended = plus(x, this.selfAttention.forward(ctx, this.selfNorm.forward(x), self));
    const informed =
      this.crossAttention && this.crossNorm && cross
        ? plus(attended, this.crossAttention.forward(ctx, this.crossNorm.forward(attended), cross))
        : attended;
    return plus(informed, this.feedForward.forward(ctx, this.feedForwardNorm.forward(informed)));
  }
}
