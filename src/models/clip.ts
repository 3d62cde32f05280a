/**
 * CLIP: images and texts as vectors of one space, learned from pairs. Radford et al. 2021,
 * https://arxiv.org/abs/2103.00020; with the sigmoid loss, SigLIP's objective: Zhai et al. 2023,
 * https://arxiv.org/abs/2303.15343
 * I images, N texts, T tokens, C channels, H × W pixels, P projection.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { add } from "../graph/ops/core.ts";
import { swapAxes } from "../graph/ops/shape.ts";
import { clamped } from "../nn/clamped.ts";
import type { Context } from "../nn/context.ts";
import {
  contrastiveLoss,
  normalized,
  type PairFeatures,
  scaledSimilarities,
  sigmoidLoss,
} from "../nn/contrastive.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { equalDims } from "../tensor/dims.ts";
import type { NameMap } from "../weights/names.ts";
import {
  type ClipTextConfig,
  ClipTextTower,
  type ClipVisionConfig,
  ClipVisionTower,
  clipTextConfig,
  clipVisionConfig,
} from "./clip-layers.ts";
import { section, size } from "./config.ts";
import { pixelsOf } from "./image-heads.ts";
import { requiredInput } from "./inputs.ts";
import type { Inputs, Model, Outputs } from "./model.ts";

export const contrastiveFields = {
  /** Each image among all texts and the other way round, or every image with every text by itself. */
  contrastiveLoss: z.enum(["softmax", "sigmoid"]).default("softmax"),
  /** Logarithm of what similarities are multiplied by, at first. */
  logitScaleInitValue: z.number().default(2.6592),
  /** Added to the scores of the sigmoid loss, at first. */
  logitBiasInitValue: z.number().default(-10),
};

export const clipConfigSchema = z.object({
  textConfig: section(clipTextConfig).prefault({}),
  visionConfig: section(clipVisionConfig).prefault({}),
  projectionDim: size.default(512),
  ...contrastiveFields,
});

export type ClipConfig = z.infer<typeof clipConfigSchema>;

/** Similarities are never multiplied by more than 100, so that training stays stable (section 2.5). */
const maxLogitScale = Math.log(100);

/** Learned temperature and, for the sigmoid loss, bias of the scores of image–text pairs. */
export class PairScores {
  readonly logScale: Node;
  readonly bias: Node | undefined;

  constructor(init: Init, config: Omit<ClipConfig, "textConfig" | "visionConfig" | "projectionDim">) {
    this.logScale = init.filled([], config.logitScaleInitValue);
    this.bias = config.contrastiveLoss === "sigmoid" ? init.filled([], config.logitBiasInitValue) : undefined;
  }

  /** Scores of normalised features [I, P] and [N, P], and their loss where there are as many images as texts. */
  forward(ctx: Context, features: PairFeatures): Outputs {
    const { images, texts } = features;
    const logScale = this.scaleIn(ctx);
    const scores = scaledSimilarities(texts, images, logScale);
    const logits_per_text = this.bias ? add(scores, this.bias) : scores;
    const outputs = { logits_per_text, logits_per_image: swapAxes(logits_per_text, 0, 1) };
    if (!equalDims(images.shape[0]!, texts.shape[0]!)) return outputs;
    return { loss: this.lossOf(features, logScale), ...outputs };
  }

  /** The loss alone. */
  loss(ctx: Context, features: PairFeatures): Node {
    return this.lossOf(features, this.scaleIn(ctx));
  }

  private scaleIn(ctx: Context): Node {
    return ctx.isTraining
      ? clamped(ctx, this.logScale, Number.NEGATIVE_INFINITY, maxLogitScale)
      : this.logScale;
  }

  private lossOf(features: PairFeatures, logScale: Node): Node {
    return this.bias
      ? sigmoidLoss(features, logScale, this.bias, features.texts)
      : contrastiveLoss(features, logScale);
  }
}

/** A model whose images and texts meet in a contrastive loss alone. */
export interface ContrastiveModel extends Model {
  readonly scores: PairScores;
  /** Normalised features of the images and texts among the inputs. */
  features(ctx: Context, inputs: Inputs): PairFeatures;
}

export const isContrastive = (model: Model): model is ContrastiveModel =>
  "scores" in model && "features" in model;

export class ClipModel implements ContrastiveModel {
  readonly text: ClipTextTower;
  readonly vision: ClipVisionTower;
  readonly textProjection: Linear;
  readonly visionProjection: Linear;
  readonly scores: PairScores;

  constructor(init: Init, config: ClipConfig) {
    const { textConfig, visionConfig, projectionDim } = config;
    this.text = new ClipTextTower(init, textConfig, "separate");
    this.vision = new ClipVisionTower(init, visionConfig, "separate");
    this.textProjection = new Linear(init, textConfig.hiddenSize, projectionDim, false);
    this.visionProjection = new Linear(init, visionConfig.hiddenSize, projectionDim, false);
    this.scores = new PairScores(init, config);
  }

  /** `pixel_values` [I, C, H, W], `input_ids` and `attention_mask` [N, T]. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const features = this.features(ctx, inputs);
    const { images: image_embeds, texts: text_embeds } = features;
    return { ...this.scores.forward(ctx, features), image_embeds, text_embeds };
  }

  /** Captures the towers' outputs behind `text_model_output.` and `vision_model_output.`. */
  features(ctx: Context, inputs: Inputs): PairFeatures {
    const ids = requiredInput(inputs, "input_ids", "CLIP");
    const text = this.text.forward(ctx, ids, inputs.attention_mask, "text_model_output.");
    const vision = this.vision.forward(ctx, pixelsOf("CLIP", inputs), "vision_model_output.");
    for (const [name, { hidden, pooled }] of Object.entries({ text, vision })) {
      ctx.capture(`${name}_model_output.last_hidden_state`, hidden);
      ctx.capture(`${name}_model_output.pooler_output`, pooled);
    }
    return {
      images: normalized(this.visionProjection.forward(vision.pooled)),
      texts: normalized(this.textProjection.forward(text.pooled)),
    };
  }
}

/** The text tower with its projection, not normalised. */
export class ClipTextModelWithProjection implements Model {
  readonly text: ClipTextTower;
  readonly textProjection: Linear;

  constructor(init: Init, config: ClipTextConfig) {
    this.text = new ClipTextTower(init, config, "separate");
    this.textProjection = new Linear(init, config.hiddenSize, config.projectionDim, false);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const ids = requiredInput(inputs, "input_ids", "CLIP");
    const { hidden, pooled } = this.text.forward(ctx, ids, inputs.attention_mask);
    return { text_embeds: this.textProjection.forward(pooled), last_hidden_state: hidden };
  }
}

/** The image tower with its projection, not normalised. */
export class ClipVisionModelWithProjection implements Model {
  readonly vision: ClipVisionTower;
  readonly visionProjection: Linear;

  constructor(init: Init, config: ClipVisionConfig) {
    this.vision = new ClipVisionTower(init, config, "separate");
    this.visionProjection = new Linear(init, config.hiddenSize, config.projectionDim, false);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const { hidden, pooled } = this.vision.forward(ctx, pixelsOf("CLIP", inputs));
    return { image_embeds: this.visionProjection.forward(pooled), last_hidden_state: hidden };
  }
}

/** Ours → Hugging Face's names of a tower's layers. */
const layerNames = (tower: "text" | "vision"): NameMap => ({
  [`${tower}.encoder.layers.{i}.attentionNorm`]: `${tower}_model.encoder.layers.{i}.layer_norm1`,
  [`${tower}.encoder.layers.{i}.attention.query`]: `${tower}_model.encoder.layers.{i}.self_attn.q_proj`,
  [`${tower}.encoder.layers.{i}.attention.key`]: `${tower}_model.encoder.layers.{i}.self_attn.k_proj`,
  [`${tower}.encoder.layers.{i}.attention.value`]: `${tower}_model.encoder.layers.{i}.self_attn.v_proj`,
  [`${tower}.encoder.layers.{i}.attention.output`]: `${tower}_model.encoder.layers.{i}.self_attn.out_proj`,
  [`${tower}.encoder.layers.{i}.feedForwardNorm`]: `${tower}_model.encoder.layers.{i}.layer_norm2`,
  [`${tower}.encoder.layers.{i}.feedForward.up`]: `${tower}_model.encoder.layers.{i}.mlp.fc1`,
  [`${tower}.encoder.layers.{i}.feedForward.down`]: `${tower}_model.encoder.layers.{i}.mlp.fc2`,
});

/** Ours → Hugging Face. */
export const clipNames: NameMap = {
  "text.words": "text_model.embeddings.token_embedding",
  "text.positions": "text_model.embeddings.position_embedding",
  ...layerNames("text"),
  "text.norm": "text_model.final_layer_norm",
  "vision.tokens.classToken": "vision_model.embeddings.class_embedding",
  "vision.tokens.patches": "vision_model.embeddings.patch_embedding",
  "vision.tokens.positions": "vision_model.embeddings.position_embedding.weight",
  "vision.inputNorm": "vision_model.pre_layrnorm", // sic
  ...layerNames("vision"),
  "vision.outputNorm": "vision_model.post_layernorm",
  textProjection: "text_projection",
  visionProjection: "visual_projection",
  "scores.logScale": "logit_scale",
  "scores.bias": "logit_bias",
};
