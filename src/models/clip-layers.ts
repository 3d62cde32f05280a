/**
 * CLIP's two towers: a causal Transformer that reads a text up to its end token, and a ViT.
 * Radford et al. 2021, https://arxiv.org/abs/2103.00020
 * B batch, T tokens, D hidden size, C channels, H × W pixels.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { add, dimValue, mul } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { flattenRows } from "../graph/ops/matmul.ts";
import { argMax } from "../graph/ops/reduce.ts";
import { cast } from "../graph/ops/select.ts";
import { iota, slice, squeeze } from "../graph/ops/shape.ts";
import { causalBias, paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Embedding } from "../nn/embedding.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { LearnedPositions } from "../nn/positions.ts";
import type { Dim } from "../tensor/dims.ts";
import { activationName, rate, size } from "./config.ts";
import { type AttentionForm, ImageTokens, PreNormStack } from "./pre-norm-layers.ts";
import { imageSize } from "./vit-layers.ts";

const layerFields = {
  numHiddenLayers: z.number().int().min(0).max(1000).default(12),
  hiddenAct: activationName.default("quick_gelu"),
  layerNormEps: z.number().positive().default(1e-5),
  attentionDropout: rate.default(0),
  dropout: z.literal(0, "only attention_dropout is supported").default(0),
  initializerRange: z.number().positive().default(0.02),
  projectionDim: size.default(512),
};

export const clipTextConfig = z.object({
  ...layerFields,
  vocabSize: size.default(49408),
  hiddenSize: size.default(512),
  intermediateSize: size.default(2048),
  numAttentionHeads: size.default(8),
  maxPositionEmbeddings: size.default(77),
});

export const clipVisionConfig = z.object({
  ...layerFields,
  hiddenSize: size.default(768),
  intermediateSize: size.default(3072),
  numAttentionHeads: size.default(12),
  imageSize: imageSize.default([224, 224]),
  patchSize: imageSize.default([32, 32]),
  numChannels: size.default(3),
});

export type ClipTextConfig = z.infer<typeof clipTextConfig>;
export type ClipVisionConfig = z.infer<typeof clipVisionConfig>;

/** What a tower gives: hidden states [B, T, D], and one vector for the whole [B, D]. */
export interface TowerOutputs {
  readonly hidden: Node;
  readonly pooled: Node;
}

export class ClipTextTower {
  readonly words: Embedding;
  readonly positions: LearnedPositions;
  readonly encoder: PreNormStack;
  readonly norm: LayerNorm;

  constructor(init: Init, config: ClipTextConfig, form: AttentionForm) {
    const { vocabSize, hiddenSize, maxPositionEmbeddings, layerNormEps } = config;
    this.words = new Embedding(init, vocabSize, hiddenSize);
    this.positions = new LearnedPositions(init, maxPositionEmbeddings, hiddenSize);
    this.encoder = new PreNormStack(init, config, form);
    this.norm = new LayerNorm(init, hiddenSize, layerNormEps);
  }

  /** ids and mask (1 = attend; all by default) [B, T]; the vector is that of the end, the first of the largest id. */
  forward(ctx: Context, ids: Node, mask?: Node, captureAs = ""): TowerOutputs {
    const [batch, length] = ids.shape as [Dim, Dim];
    const embedded = add(this.words.forward(ids), this.positions.forward(length));
    const causal = causalBias(length, length, embedded.dtype);
    const bias = mask ? add(causal, paddingBias(mask, embedded.dtype)) : causal;
    const hidden = this.norm.forward(this.encoder.forward(ctx, embedded, captureAs, bias));
    const end = argMax(cast(ids, "int32"));
    const places = add(mul(iota(batch), dimValue("int64", length)), end);
    return { hidden, pooled: gather(flattenRows(hidden), places) };
  }
}

export class ClipVisionTower {
  readonly tokens: ImageTokens;
  readonly inputNorm: LayerNorm;
  readonly encoder: PreNormStack;
  readonly outputNorm: LayerNorm;

  constructor(init: Init, config: ClipVisionConfig, form: AttentionForm) {
    const { hiddenSize, layerNormEps } = config;
    this.tokens = new ImageTokens(init, config, "clip");
    this.inputNorm = new LayerNorm(init, hiddenSize, layerNormEps);
    this.encoder = new PreNormStack(init, config, form);
    this.outputNorm = new LayerNorm(init, hiddenSize, layerNormEps);
  }

  /** pixels [B, C, H, W]; the vector is that of the class token, normalised; the hidden states are not. */
  forward(ctx: Context, pixels: Node, captureAs = ""): TowerOutputs {
    const embedded = this.inputNorm.forward(this.tokens.forward(pixels));
    const hidden = this.encoder.forward(ctx, embedded, captureAs);
    return { hidden, pooled: this.outputNorm.forward(squeeze(slice(hidden, 1, 0, 1), 1)) };
  }
}
