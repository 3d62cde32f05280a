/**
 * BLIP's pretraining: three objectives over one image encoder and a text model that encodes, matches and decodes.
 * Li et al. 2022, https://arxiv.org/abs/2201.12086; names and details are those of the authors' repository.
 * B batch, T tokens, S image tokens, C channels, H × W pixels, E embedDim, Q queueSize.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { add, div, full, mul, reshape } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { stopGradient } from "../graph/ops/math.ts";
import { flattenRows, matmul } from "../graph/ops/matmul.ts";
import { softmax } from "../graph/ops/norm.ts";
import { min } from "../graph/ops/reduce.ts";
import { cast, equal, less } from "../graph/ops/select.ts";
import { concat, iota, slice, unsqueeze } from "../graph/ops/shape.ts";
import { paddingBias } from "../nn/attention.ts";
import { clamped } from "../nn/clamped.ts";
import type { Context } from "../nn/context.ts";
import { normalized, type PairFeatures } from "../nn/contrastive.ts";
import { Linear } from "../nn/linear.ts";
import { crossEntropy, softCrossEntropy } from "../nn/losses.ts";
import type { Init } from "../nn/module.ts";
import { type Dim, mulDims, productOf } from "../tensor/dims.ts";
import type { NameMap } from "../weights/names.ts";
import { blipConfigSchema, decoderBias, labelsOf, withFirst } from "./blip.ts";
import {
  BlipText,
  type BlipTextConfig,
  BlipWordHead,
  blipHeadNames,
  blipTextFields,
  blipTextNames,
} from "./blip-text.ts";
import { BlipVision, type BlipVisionConfig, blipVisionNamesAt, originalVisionNames } from "./blip-vision.ts";
import { activationName, rate, section, size } from "./config.ts";
import { nextTokens } from "./heads.ts";
import { pixelsOf } from "./image-heads.ts";
import { requiredInput } from "./inputs.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { FeatureQueues, followed, momentumCopy } from "./momentum.ts";
import { firstState } from "./token-states.ts";
import { imageSize } from "./vit-layers.ts";

const tokenId = z.number().int().min(0);

const visionFields = z.object({
  depth: z.number().int().min(0).max(1000).default(12),
  embedDim: size.default(768),
  imageSize: imageSize.default([224, 224]),
  patchSize: imageSize.default([16, 16]),
  numHeads: size.default(12),
  mlpRatio: z.number().positive().default(4),
});

const textFields = z.object({
  ...blipTextFields,
  hiddenDropoutProb: rate.default(0.1),
  attentionProbsDropoutProb: rate.default(0.1),
  hiddenAct: activationName.default("gelu"),
  addCrossAttention: z.literal(true, "must be true, or no layer looks at the image").default(true),
});

/** What a config of either naming comes to. */
export interface BlipPretrainConfig {
  readonly visionConfig: BlipVisionConfig;
  readonly textConfig: BlipTextConfig;
  /** Width of the space where images and texts are compared. */
  readonly embedDim: number;
  /** Earlier features that images and texts are compared with too. */
  readonly queueSize: number;
  /** Share that the momentum encoders keep of themselves at each step. */
  readonly momentum: number;
  /** Share of the momentum encoders' similarities in the contrastive targets, where no `alpha` is fed. */
  readonly alpha: number;
  /** What the decoder begins with, and what the encoder that looks at an image does. */
  readonly bosTokenId: number;
  readonly encTokenId: number;
  readonly labelSmoothing: number;
}

/** Fields that are called the same in both namings. */
const commonFields = {
  queueSize: size.default(57600),
  momentum: z.number().min(0).max(1).default(0.995),
  alpha: z.number().min(0).max(1).default(0.4),
};

/** The fields of the authors' repository. */
export const blipPretrainConfigSchema = z
  .object({
    ...commonFields,
    vision: section(visionFields).prefault({}),
    textConfig: section(textFields).prefault({}),
    embedDim: size.default(256),
    bosTokenId: tokenId.default(30522),
    encTokenId: tokenId.default(30523),
    labelSmoothing: z.number().min(0).max(1).default(0.1),
  })
  .transform(
    ({ vision, ...config }): BlipPretrainConfig => ({ ...config, visionConfig: originalVision(vision) }),
  );

const originalVision = (vision: z.infer<typeof visionFields>): BlipVisionConfig => ({
  hiddenSize: vision.embedDim,
  intermediateSize: Math.trunc(vision.embedDim * vision.mlpRatio),
  numHiddenLayers: vision.depth,
  numAttentionHeads: vision.numHeads,
  imageSize: vision.imageSize,
  patchSize: vision.patchSize,
  numChannels: 3,
  hiddenAct: "gelu",
  layerNormEps: 1e-6,
  attentionDropout: 0,
  dropout: 0,
});

/** The fields of Hugging Face's config of captioning and retrieval models, with what training adds. */
export const blipForPretrainingSchema = blipConfigSchema
  .extend(commonFields)
  .transform(({ textConfig, visionConfig, imageTextHiddenSize, ...config }): BlipPretrainConfig => {
    const { bosTokenId, labelSmoothing, encTokenId } = textConfig;
    const tokens = { bosTokenId, encTokenId: encTokenId ?? bosTokenId + 1 };
    return { ...config, ...tokens, visionConfig, textConfig, embedDim: imageTextHiddenSize, labelSmoothing };
  });

/** What the momentum encoders copy: both encoders and their projections. */
class BlipEncoders {
  readonly vision: BlipVision;
  readonly text: BlipText;
  readonly visionProjection: Linear;
  readonly textProjection: Linear;

  constructor(init: Init, config: BlipPretrainConfig) {
    const { visionConfig, textConfig, embedDim } = config;
    this.vision = new BlipVision(init, visionConfig);
    this.text = new BlipText(init, textConfig, visionConfig.hiddenSize);
    this.visionProjection = new Linear(init, visionConfig.hiddenSize, embedDim);
    this.textProjection = new Linear(init, textConfig.hiddenSize, embedDim);
  }

  /** Image states [B, S, ·], and normalised features [B, E] of images and texts made apart. */
  forward(ctx: Context, { image, ids, mask }: Batch): { states: Node } & PairFeatures {
    const states = this.vision.forward(ctx, image);
    const text = this.text.forward(ctx, ids, { bias: paddingBias(mask, states.dtype) });
    return {
      states,
      images: normalized(this.visionProjection.forward(firstState(states))),
      texts: normalized(this.textProjection.forward(firstState(text))),
    };
  }
}

interface Batch {
  /** [B, C, H, W]. */
  readonly image: Node;
  /** int64 [B, T]. */
  readonly ids: Node;
  /** int64 [B, T], 1 = attend. */
  readonly mask: Node;
}

/** Scores of the batch's images among all texts and the other way round, each [B, B + Q]. */
interface Similarities {
  readonly imageToText: Node;
  readonly textToImage: Node;
}

export class BlipPretrain implements Model {
  readonly encoders: BlipEncoders;
  readonly decoder: BlipText;
  readonly head: BlipWordHead;
  readonly matchHead: Linear;
  readonly momentum: BlipEncoders;
  readonly queues: FeatureQueues;
  readonly temperature: Node;

  constructor(
    init: Init,
    private readonly config: BlipPretrainConfig,
  ) {
    const { textConfig, visionConfig, embedDim, queueSize } = config;
    this.encoders = new BlipEncoders(init, config);
    this.decoder = new BlipText(init, textConfig, visionConfig.hiddenSize, this.encoders.text);
    this.head = new BlipWordHead(init, textConfig, this.encoders.text.words.weight);
    this.matchHead = new Linear(init, textConfig.hiddenSize, 2);
    this.momentum = momentumCopy(init, this.encoders);
    this.queues = new FeatureQueues(init, embedDim, queueSize);
    this.temperature = init.filled([], 0.07);
  }

  /**
   * `image` or `pixel_values` [B, C, H, W], `input_ids` and `attention_mask` [B, T]. Optional: `alpha` [], and for each text and image of
   * the batch a wrong partner, `negative_image_index` and `negative_text_index` [B]; they are drawn otherwise, likelier
   * the more they resemble the right one, and never with the same text, which would be right. Moves the momentum encoders, the queues and, into its bounds, the temperature.
   */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const batch = {
      image: inputs.image ?? pixelsOf("BLIP", inputs),
      ids: requiredInput(inputs, "input_ids", "BLIP"),
      mask: requiredInput(inputs, "attention_mask", "BLIP"),
    };
    const { states, ...features } = this.encoders.forward(ctx, batch);
    const contrast = this.contrast(ctx, batch, features, inputs.alpha ?? this.config.alpha);
    const isWrong = differentTexts(batch.ids);
    const drawn = (weights: Node): Node => ctx.draw(mul(weights, cast(isWrong, weights.dtype)));
    const matching = this.match(ctx, batch, states, {
      images: inputs.negative_image_index ?? drawn(contrast.sampling_weights_t2i!),
      texts: inputs.negative_text_index ?? drawn(contrast.sampling_weights_i2t!),
    });
    const captions = this.caption(ctx, batch, states);
    const loss = add(add(contrast.loss_ita!, matching.loss_itm!), captions.loss_lm!);
    const named = { image_feat: features.images, text_feat: features.texts, image_embeds: states };
    return { loss, ...contrast, ...matching, ...captions, ...named };
  }

  /** Images and texts of the batch and the queues compared; targets are softened by the momentum encoders' scores. */
  private contrast(ctx: Context, batch: Batch, features: PairFeatures, alpha: Node | number): Outputs {
    const temperature = clamped(ctx, this.temperature, 0.001, 0.5);
    const teacher = followed(ctx, this.momentum, this.encoders, this.config.momentum);
    const { images, texts } = teacher.forward(ctx, batch);
    const scores = (from: PairFeatures): Similarities => ({
      imageToText: this.scores(from.images, texts, this.queues.texts, temperature),
      textToImage: this.scores(from.texts, images, this.queues.images, temperature),
    });
    const [own, taught] = [scores(features), scores({ images, texts })];
    const oneWay = (way: keyof Similarities): Node =>
      softCrossEntropy(own[way], softenedTargets(taught[way], alpha));
    this.queues.push(ctx, { images, texts });
    return {
      loss_ita: mul(add(oneWay("imageToText"), oneWay("textToImage")), 0.5),
      sampling_weights_i2t: samplingWeights(own.imageToText),
      sampling_weights_t2i: samplingWeights(own.textToImage),
      image_feat_m: images,
      text_feat_m: texts,
    };
  }

  /** features [B, E] against others [B, E] and a queue [E, Q] → [B, B + Q]. */
  private scores(features: Node, others: Node, queue: Node, temperature: Node): Node {
    const ofBatch = matmul(features, others, { transB: true });
    return div(concat([ofBatch, matmul(features, queue)], 1), temperature);
  }

  /** Right pairs, then each text with a wrong image, then each image with a wrong text. */
  private match(
    ctx: Context,
    { ids, mask }: Batch,
    states: Node,
    negatives: { readonly images: Node; readonly texts: Node },
  ): Outputs {
    const asked = withFirst(ids, this.config.encTokenId);
    const wrong = (x: Node): Node => gather(x, negatives.texts);
    const pairs = {
      ids: concat([asked, asked, wrong(asked)], 0),
      mask: concat([mask, mask, wrong(mask)], 0),
      source: concat([states, gather(states, negatives.images), states], 0),
    };
    const bias = paddingBias(pairs.mask, states.dtype);
    const options = { bias, source: pairs.source, captureAs: "matching_" };
    const itm_logits = this.matchHead.forward(
      firstState(this.encoders.text.forward(ctx, pairs.ids, options)),
    );
    const [batch] = ids.shape as [Dim];
    const labels = concat([full(1, "int64", [batch]), full(0, "int64", [mulDims(batch, 2)])], 0);
    return { loss_itm: crossEntropy(itm_logits, labels), itm_logits };
  }

  /** Each text as a caption. */
  private caption(ctx: Context, { ids, mask }: Batch, source: Node): Outputs {
    const { bosTokenId, textConfig, labelSmoothing } = this.config;
    const asked = withFirst(ids, bosTokenId);
    const bias = decoderBias(asked, mask, source.dtype);
    const hidden = this.decoder.forward(ctx, asked, { bias, source, captureAs: "decoder_" });
    const lm_logits = this.head.forward(hidden);
    const targets = nextTokens(labelsOf(asked, textConfig.padTokenId));
    const labels = reshape(targets, [productOf(targets.shape)]);
    return { loss_lm: crossEntropy(flattenRows(lm_logits), labels, { labelSmoothing }), lm_logits };
  }
}

/** Ones where row and column are of one pair, [B, N]. */
const diagonal = (scores: Node, columns: Dim = scores.shape[1]!): Node =>
  cast(equal(unsqueeze(iota(scores.shape[0]!), 1), unsqueeze(iota(columns), 0)), scores.dtype);

/** α softmax(scores) + (1 − α) identity, without gradient. */
const softenedTargets = (scores: Node, alpha: Node | number): Node => {
  const certain = diagonal(scores);
  return stopGradient(add(certain, mul(add(softmax(scores), mul(certain, -1)), alpha)));
};

/** How likely each of the batch is drawn as a wrong partner: by its similarity, and never the right one. [B, B] */
function samplingWeights(scores: Node): Node {
  const ofBatch = slice(scores, 1, 0, scores.shape[0]!);
  const others = add(mul(diagonal(ofBatch), -1), 1);
  return stopGradient(mul(add(softmax(ofBatch), 1e-4), others));
}

/** Whether two texts of the batch differ, bool [B, B]; ids [B, T] have one padding. */
function differentTexts(ids: Node): Node {
  const isSame = equal(unsqueeze(ids, 1), unsqueeze(ids, 0));
  return less(min(cast(isSame, "float32"), -1), 1);
}

/** `vision` gives the names within an image tower; all else is called alike everywhere. */
const pretrainingNames = (vision: (ours: string, theirs: string) => NameMap, tower: string): NameMap => ({
  ...vision("encoders.vision", tower),
  ...blipTextNames("encoders.text", "text_encoder"),
  "encoders.visionProjection": "vision_proj",
  "encoders.textProjection": "text_proj",
  ...vision("momentum.vision", `${tower}_m`),
  ...blipTextNames("momentum.text", "text_encoder_m"),
  "momentum.visionProjection": "vision_proj_m",
  "momentum.textProjection": "text_proj_m",
  ...blipTextNames("decoder", "text_decoder.bert"),
  ...blipHeadNames("head", "text_decoder.cls.predictions"),
  matchHead: "itm_head",
  "queues.images": "image_queue",
  "queues.texts": "text_queue",
  "queues.pointer": "queue_ptr",
  temperature: "temp",
});

/** Ours → the authors' repository. */
export const blipPretrainNames = pretrainingNames(originalVisionNames, "visual_encoder");

/** Ours → Hugging Face's names of captioning and retrieval models, and names of what only training has. */
export const blipForPretrainingNames = pretrainingNames(blipVisionNamesAt, "vision_model");
