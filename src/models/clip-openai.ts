/**
 * CLIP under the names and in the layout of its authors' repository, which open_clip shares.
 * Radford et al. 2021, https://arxiv.org/abs/2103.00020
 * I images, N texts, T tokens, P projection.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { matmul } from "../graph/ops/matmul.ts";
import type { Context } from "../nn/context.ts";
import { normalized, type PairFeatures } from "../nn/contrastive.ts";
import type { Init } from "../nn/module.ts";
import type { NameMap } from "../weights/names.ts";
import { type ContrastiveModel, contrastiveFields, PairScores } from "./clip.ts";
import { type ClipTextConfig, ClipTextTower, type ClipVisionConfig, ClipVisionTower } from "./clip-layers.ts";
import { activationName, size } from "./config.ts";
import { requiredInput } from "./inputs.ts";
import type { Inputs, Outputs } from "./model.ts";
import { imageSize } from "./vit-layers.ts";

/** The fields of the image tower. */
export const openAiVisionFields = {
  imageResolution: imageSize.default([224, 224]),
  visionLayers: z.number().int().min(0).max(1000).default(12),
  visionWidth: size.default(768),
  visionPatchSize: imageSize.default([32, 32]),
  visionHeads: size.nullish(), // default visionWidth / 64
  activation: activationName.default("quick_gelu"),
};

export const openAiClipConfigSchema = z.object({
  ...openAiVisionFields,
  embedDim: size.default(512),
  contextLength: size.default(77),
  vocabSize: size.default(49408),
  transformerWidth: size.default(512),
  transformerHeads: size.nullish(), // default transformerWidth / 64
  transformerLayers: z.number().int().min(0).max(1000).default(12),
  ...contrastiveFields,
});

export type OpenAiClipConfig = z.infer<typeof openAiClipConfigSchema>;
type OpenAiVisionConfig = z.infer<z.ZodObject<typeof openAiVisionFields>>;

const common = { layerNormEps: 1e-5, attentionDropout: 0, dropout: 0, initializerRange: 0.02 } as const;
const headSize = 64;

/** The image tower's config in our terms. */
export const openAiVision = (config: OpenAiVisionConfig, projectionDim = 0): ClipVisionConfig => ({
  ...common,
  projectionDim,
  hiddenSize: config.visionWidth,
  intermediateSize: 4 * config.visionWidth,
  numHiddenLayers: config.visionLayers,
  numAttentionHeads: config.visionHeads ?? config.visionWidth / headSize,
  hiddenAct: config.activation,
  imageSize: config.imageResolution,
  patchSize: config.visionPatchSize,
  numChannels: 3,
});

const openAiText = (config: OpenAiClipConfig): ClipTextConfig => ({
  ...common,
  projectionDim: config.embedDim,
  vocabSize: config.vocabSize,
  hiddenSize: config.transformerWidth,
  intermediateSize: 4 * config.transformerWidth,
  numHiddenLayers: config.transformerLayers,
  numAttentionHeads: config.transformerHeads ?? config.transformerWidth / headSize,
  hiddenAct: config.activation,
  maxPositionEmbeddings: config.contextLength,
});

export class OpenAiClip implements ContrastiveModel {
  readonly text: ClipTextTower;
  readonly vision: ClipVisionTower;
  /** [width, P], unlike a linear layer's. */
  readonly textProjection: Node;
  readonly visionProjection: Node;
  readonly scores: PairScores;

  constructor(init: Init, config: OpenAiClipConfig) {
    const { transformerWidth, visionWidth, embedDim } = config;
    this.text = new ClipTextTower(init, openAiText(config), "joined");
    this.vision = new ClipVisionTower(init, openAiVision(config, embedDim), "joined");
    this.textProjection = init.normal([transformerWidth, embedDim], transformerWidth ** -0.5);
    this.visionProjection = init.normal([visionWidth, embedDim], visionWidth ** -0.5);
    this.scores = new PairScores(init, config);
  }

  /** `image` [I, C, H, W] and `text` [N, T], padded with 0. The features among the outputs are not normalised. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const { images: image_features, texts: text_features } = this.projected(ctx, inputs);
    const features = { images: normalized(image_features), texts: normalized(text_features) };
    return { ...this.scores.forward(ctx, features), image_features, text_features };
  }

  features(ctx: Context, inputs: Inputs): PairFeatures {
    const { images, texts } = this.projected(ctx, inputs);
    return { images: normalized(images), texts: normalized(texts) };
  }

  private projected(ctx: Context, inputs: Inputs): PairFeatures {
    const text = this.text.forward(ctx, requiredInput(inputs, "text", "CLIP"), undefined, "text.");
    const vision = this.vision.forward(ctx, requiredInput(inputs, "image", "CLIP"), "vision.");
    return {
      images: matmul(vision.pooled, this.visionProjection),
      texts: matmul(text.pooled, this.textProjection),
    };
  }
}

const layerNames = (ours: string, theirs: string): NameMap => ({
  [`${ours}.layers.{i}.attentionNorm`]: `${theirs}.resblocks.{i}.ln_1`,
  [`${ours}.layers.{i}.attention.joined.weight`]: `${theirs}.resblocks.{i}.attn.in_proj_weight`,
  [`${ours}.layers.{i}.attention.joined.bias`]: `${theirs}.resblocks.{i}.attn.in_proj_bias`,
  [`${ours}.layers.{i}.attention.output`]: `${theirs}.resblocks.{i}.attn.out_proj`,
  [`${ours}.layers.{i}.feedForwardNorm`]: `${theirs}.resblocks.{i}.ln_2`,
  [`${ours}.layers.{i}.feedForward.up`]: `${theirs}.resblocks.{i}.mlp.c_fc`,
  [`${ours}.layers.{i}.feedForward.down`]: `${theirs}.resblocks.{i}.mlp.c_proj`,
});

/** Ours → the repository's names of an image tower that they call `theirs`. */
export const openAiVisionNames = (ours: string, theirs: string): NameMap => ({
  [`${ours}.tokens.classToken`]: `${theirs}.class_embedding`,
  [`${ours}.tokens.positions`]: `${theirs}.positional_embedding`,
  [`${ours}.tokens.patches`]: `${theirs}.conv1`,
  [`${ours}.inputNorm`]: `${theirs}.ln_pre`,
  ...layerNames(`${ours}.encoder`, `${theirs}.transformer`),
  [`${ours}.outputNorm`]: `${theirs}.ln_post`,
});

/** Ours → the repository's. */
export const openAiClipNames: NameMap = {
  "text.words": "token_embedding",
  "text.positions.weight": "positional_embedding",
  ...layerNames("text.encoder", "transformer"),
  "text.norm": "ln_final",
  ...openAiVisionNames("vision", "visual"),
  textProjection: "text_projection",
  visionProjection: "visual.proj",
  "scores.logScale": "logit_scale",
  "scores.bias": "logit_bias",
};
