/**
 * The encoder layers of CLIP and of BLIP's images: attention and feed-forward, each behind a norm; and an image as
 * tokens. B batch, T tokens, N patches, D hidden size.
 */

import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import type { ActivationName } from "../graph/ops/activation.ts";
import { add, broadcastTo, reshape, transpose } from "../graph/ops/core.ts";
import { concat } from "../graph/ops/shape.ts";
import { spatialSizes } from "../graph/ops/windows.ts";
import { type AttentionOptions, MultiHeadAttention } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Conv2d } from "../nn/conv.ts";
import { FeedForward } from "../nn/feed-forward.ts";
import { JoinedAttention } from "../nn/joined-attention.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { productOf } from "../tensor/dims.ts";
import { gridOf } from "./vit-layers.ts";

export interface PreNormConfig {
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly intermediateSize: number;
  readonly hiddenAct: ActivationName;
  readonly layerNormEps: number;
  readonly attentionDropout: number;
}

/** Whether queries, keys and values have projections of their own or one together. */
export type AttentionForm = "separate" | "joined";

class PreNormLayer {
  readonly attentionNorm: LayerNorm;
  readonly attention: MultiHeadAttention | JoinedAttention;
  readonly feedForwardNorm: LayerNorm;
  readonly feedForward: FeedForward;

  constructor(
    init: Init,
    private readonly config: PreNormConfig,
    form: AttentionForm,
  ) {
    const { hiddenSize, numAttentionHeads, intermediateSize, hiddenAct, layerNormEps } = config;
    const Attention = form === "joined" ? JoinedAttention : MultiHeadAttention;
    this.attentionNorm = new LayerNorm(init, hiddenSize, layerNormEps);
    this.attention = new Attention(init, hiddenSize, numAttentionHeads);
    this.feedForwardNorm = new LayerNorm(init, hiddenSize, layerNormEps);
    this.feedForward = new FeedForward(init, hiddenSize, intermediateSize, hiddenAct);
  }

  /** x [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, options: AttentionOptions): Node {
    const dropout = this.config.attentionDropout;
    const attended = this.attention.forward(ctx, this.attentionNorm.forward(x), { ...options, dropout });
    const hidden = add(x, attended);
    return add(hidden, this.feedForward.forward(this.feedForwardNorm.forward(hidden)));
  }
}

/** Layers one after the other. */
export class PreNormStack {
  readonly layers: readonly PreNormLayer[];

  constructor(init: Init, config: PreNormConfig, form: AttentionForm) {
    this.layers = Array.from({ length: config.numHiddenLayers }, () => new PreNormLayer(init, config, form));
  }

  /**
   * x [B, T, D] → [B, T, D]. Captures `hidden_states.N` (0: the input) and `attentions.N`, `captureAs` before them.
   */
  forward(ctx: Context, x: Node, captureAs: string, bias?: Node): Node {
    let hidden = ctx.capture(`${captureAs}hidden_states.0`, x);
    this.layers.forEach((layer, at) => {
      hidden = layer.forward(ctx, hidden, { bias, captureAs: `${captureAs}attentions.${at}` });
      ctx.capture(`${captureAs}hidden_states.${at + 1}`, hidden);
    });
    return hidden;
  }
}

interface ImageConfig {
  readonly hiddenSize: number;
  readonly imageSize: readonly [number, number];
  readonly patchSize: readonly [number, number];
  readonly numChannels: number;
}

/** A class token and linear maps of the patches, with learned positions. */
export class ImageTokens {
  readonly classToken: Node;
  readonly patches: Conv2d;
  readonly positions: Node;

  /** CLIP stores its tables [D] and [1 + N, D] and its patches have no bias; BLIP's tables have an axis of 1 more. */
  constructor(
    init: Init,
    private readonly config: ImageConfig,
    form: "clip" | "blip",
  ) {
    const { hiddenSize, imageSize, patchSize, numChannels } = config;
    const [rows, columns] = gridOf("patches", imageSize, patchSize);
    const lead = form === "blip" ? [1] : [];
    this.classToken = init.normal([...lead, ...lead, hiddenSize]);
    this.patches = new Conv2d(init, numChannels, hiddenSize, patchSize, {
      strides: patchSize,
      hasBias: form === "blip",
    });
    this.positions = init.normal([...lead, 1 + rows * columns, hiddenSize]);
  }

  /** pixels [B, C, H, W] → [B, 1 + N, D]. @throws ConfigError for images of another size. */
  forward(pixels: Node): Node {
    const { hiddenSize, imageSize } = this.config;
    const given = spatialSizes("images", pixels.shape);
    if (given.join() !== imageSize.join()) {
      throw new ConfigError(`images must have ${imageSize.join(" × ")} pixels, got ${given.join(" × ")}`);
    }
    const map = this.patches.forward(pixels);
    const [batch, , ...grid] = map.shape;
    const patches = transpose(reshape(map, [batch!, hiddenSize, productOf(grid)]), [0, 2, 1]);
    const first = broadcastTo(this.classToken, [batch!, 1, hiddenSize]);
    return add(concat([first, patches], 1), this.positions);
  }
}
