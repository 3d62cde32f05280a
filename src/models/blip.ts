/**
 * BLIP: an image encoder with a text model that encodes or decodes while it looks at the image. Captions, matching of
 * images and texts, and answers to questions. Li et al. 2022, https://arxiv.org/abs/2201.12086
 * B batch, T tokens, S image tokens, C channels, H × W pixels, D hidden size, V vocabulary.
 */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add, div, full, mul, reshape, sum } from "../graph/ops/core.ts";
import { crossEntropyRows } from "../graph/ops/cross-entropy.ts";
import { flattenRows, matmul } from "../graph/ops/matmul.ts";
import { softmax } from "../graph/ops/norm.ts";
import { mean } from "../graph/ops/reduce.ts";
import { cast, equal, notEqual, where } from "../graph/ops/select.ts";
import { concat, iota, slice, swapAxes } from "../graph/ops/shape.ts";
import { causalBias, paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { normalized } from "../nn/contrastive.ts";
import { Linear } from "../nn/linear.ts";
import { crossEntropy, ignoredLabel } from "../nn/losses.ts";
import type { Init } from "../nn/module.ts";
import { type Dim, equalDims, productOf } from "../tensor/dims.ts";
import { BlipText, BlipWordHead, blipTextFields } from "./blip-text.ts";
import { BlipVision, blipVisionConfig } from "./blip-vision.ts";
import { section, size } from "./config.ts";
import type { DecoderStep, GenerativeModel, SequenceEnds } from "./generative.ts";
import { nextTokens } from "./heads.ts";
import { pixelsOf } from "./image-heads.ts";
import { requiredInput } from "./inputs.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { firstState } from "./token-states.ts";

const tokenId = z.number().int().min(0);

const textConfig = z.object({
  ...blipTextFields,
  /** What a caption or answer begins with, and what ends it. */
  bosTokenId: tokenId.default(30522),
  sepTokenId: tokenId.default(102),
  /** What a text begins with where it is matched with an image; default: as it is given. */
  encTokenId: tokenId.nullish(),
  isDecoder: z.literal(true, "must be true, or no layer looks at the image").default(true),
  /** Share of the target spread over all words, in training and evaluation. */
  labelSmoothing: z.number().min(0).max(1).default(0.1),
});

export const blipConfigSchema = z.object({
  textConfig: section(textConfig).prefault({}),
  visionConfig: section(blipVisionConfig).prefault({}),
  /** Width of the space where images and texts are compared. */
  imageTextHiddenSize: size.default(256),
  /** What similarities are divided by in the contrastive loss. */
  temperature: z.number().positive().default(0.07),
});

export type BlipConfig = z.infer<typeof blipConfigSchema>;
type DecoderConfig = BlipConfig["textConfig"];

/** Causal, without the padding that a mask [B, T] hides. */
export function decoderBias(ids: Node, mask: Node | undefined, dtype: Node["dtype"]): Node {
  const causal = causalBias(ids.shape[1]!, ids.shape[1]!, dtype);
  return mask ? add(causal, paddingBias(mask, dtype)) : causal;
}

/** Ids [B, T] as labels, −100 for padding. */
export const labelsOf = (ids: Node, padId: number): Node => where(equal(ids, padId), ignoredLabel, ids);

/** ids [B, T] with another first one. */
export const withFirst = (ids: Node, first: number): Node =>
  concat([full(first, ids.dtype, [ids.shape[0]!, 1]), slice(ids, 1, 1)], 1);

/** A text model that decodes, with its head. */
class BlipDecoder {
  readonly text: BlipText;
  readonly head: BlipWordHead;

  constructor(
    init: Init,
    private readonly config: DecoderConfig,
    sourceSize: number,
  ) {
    this.text = new BlipText(init, config, sourceSize);
    this.head = new BlipWordHead(init, config);
  }

  /** One step of decoding, or all tokens at once → [B, T, D]. */
  decode(ctx: Context, { ids, positions, bias, source, sourceBias }: DecoderStep): Node {
    return this.text.forward(ctx, ids, { positions, bias, source, sourceBias });
  }

  /** Scores [B, T, V] of what follows each token; `mask` [B, T] hides padding. */
  forward(ctx: Context, ids: Node, mask: Node | undefined, source: Node, sourceBias?: Node): Node {
    const bias = decoderBias(ids, mask, source.dtype);
    return this.head.forward(this.text.forward(ctx, ids, { bias, source, sourceBias }));
  }

  /** The mean loss of labels [B, T], each token's own id. */
  loss(logits: Node, labels: Node): Node {
    const { labelSmoothing } = this.config;
    return crossEntropy(flattenRows(logits), flatTargets(labels), { labelSmoothing });
  }

  /** Summed over each row's tokens → [B]. */
  rowLosses(logits: Node, labels: Node): Node {
    const targets = flatTargets(labels);
    const counts = notEqual(targets, ignoredLabel);
    const known = where(counts, targets, 0);
    const losses = crossEntropyRows(flattenRows(logits), known, this.config.labelSmoothing);
    return sum(reshape(mul(losses, cast(counts, losses.dtype)), labels.shape), 1);
  }

  get ends(): SequenceEnds {
    return { bos_token_id: this.config.bosTokenId, eos_token_id: [this.config.sepTokenId] };
  }
}

const flatTargets = (labels: Node): Node => reshape(nextTokens(labels), [productOf(labels.shape)]);

/** Captions. */
export class BlipForConditionalGeneration implements GenerativeModel {
  readonly vision: BlipVision;
  readonly decoder: BlipDecoder;
  readonly maxLength: number;
  readonly ends: SequenceEnds;

  constructor(
    init: Init,
    private readonly config: BlipConfig,
  ) {
    this.vision = new BlipVision(init, config.visionConfig);
    this.decoder = new BlipDecoder(init, config.textConfig, config.visionConfig.hiddenSize);
    this.maxLength = config.textConfig.maxPositionEmbeddings;
    this.ends = this.decoder.ends;
  }

  /** `pixel_values` [B, C, H, W]; `input_ids` and `attention_mask` [B, T], which are their own labels. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const ids = requiredInput(inputs, "input_ids", "BLIP");
    const image_embeds = this.encode(ctx, inputs);
    const decoder_logits = this.decoder.forward(ctx, ids, inputs.attention_mask, image_embeds);
    const labels = labelsOf(ids, this.config.textConfig.padTokenId);
    return { loss: this.decoder.loss(decoder_logits, labels), decoder_logits, image_embeds };
  }

  encode(ctx: Context, inputs: Inputs): Node {
    return this.vision.forward(ctx, pixelsOf("BLIP", inputs));
  }

  decode(ctx: Context, step: DecoderStep): Node {
    return this.decoder.decode(ctx, step);
  }

  logits(hidden: Node): Node {
    return this.decoder.head.forward(hidden);
  }
}

/** Whether a text is about an image: a classifier that reads both together, and cosines of vectors made apart. */
export class BlipForImageTextRetrieval implements Model {
  readonly vision: BlipVision;
  readonly text: BlipText;
  readonly visionProjection: Linear;
  readonly textProjection: Linear;
  readonly matchHead: Linear;

  constructor(
    init: Init,
    private readonly config: BlipConfig,
  ) {
    const { visionConfig, textConfig, imageTextHiddenSize } = config;
    this.vision = new BlipVision(init, visionConfig);
    this.text = new BlipText(init, textConfig, visionConfig.hiddenSize);
    this.visionProjection = new Linear(init, visionConfig.hiddenSize, imageTextHiddenSize);
    this.textProjection = new Linear(init, textConfig.hiddenSize, imageTextHiddenSize);
    this.matchHead = new Linear(init, textConfig.hiddenSize, 2);
  }

  /**
   * `pixel_values` [B, C, H, W], `input_ids` and `attention_mask` [B, T]; `itm_labels` [B] (1: they match). The loss
   * adds that of matching and the contrastive one, whose pairs are those of the batch.
   */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const { image_embeds, image_features } = this.readImages(ctx, inputs);
    const { text_states, text_features } = this.readTexts(ctx, inputs);
    const matched = this.match(ctx, { ...inputs, image_embeds });
    const itc_similarity = matmul(image_features!, text_features!, { transB: true });
    const outputs = { ...matched, itc_similarity, image_embeds: image_embeds!, text_states: text_states! };
    return inputs.itm_labels ? { ...this.losses(outputs, inputs.itm_labels), ...outputs } : outputs;
  }

  /** `pixel_values` → `image_embeds` [B, S, D], which `match` reads, and `image_features` [B, E] of length 1. */
  readImages(ctx: Context, inputs: Inputs): Outputs {
    const image_embeds = this.vision.forward(ctx, pixelsOf("BLIP", inputs));
    const image_features = normalized(this.visionProjection.forward(firstState(image_embeds)));
    return { image_embeds, image_features };
  }

  /** `input_ids` and `attention_mask` → `text_features` [B, E] of length 1, and `text_states` [B, T, D]. */
  readTexts(ctx: Context, inputs: Inputs): Outputs {
    const ids = requiredInput(inputs, "input_ids", "BLIP");
    const bias =
      inputs.attention_mask && paddingBias(inputs.attention_mask, this.textProjection.weight.dtype);
    const text_states = this.text.forward(ctx, ids, { bias, captureAs: "text_" });
    return { text_states, text_features: normalized(this.textProjection.forward(firstState(text_states))) };
  }

  /** `image_embeds` [B, S, D] with `input_ids` and `attention_mask` → `itm_probabilities` [B, 2], the second: they match. */
  match(ctx: Context, inputs: Inputs): Outputs {
    const source = requiredInput(inputs, "image_embeds", "BLIP");
    const given = requiredInput(inputs, "input_ids", "BLIP");
    const { encTokenId } = this.config.textConfig;
    const ids = encTokenId == null ? given : withFirst(given, encTokenId);
    const bias = inputs.attention_mask && paddingBias(inputs.attention_mask, source.dtype);
    const fused_text_states = this.text.forward(ctx, ids, { bias, source });
    const itm_logits = this.matchHead.forward(firstState(fused_text_states));
    return { itm_logits, itm_probabilities: softmax(itm_logits), fused_text_states };
  }

  private losses({ itm_logits, itc_similarity }: Record<string, Node>, labels: Node): Outputs {
    const [images, texts] = itc_similarity!.shape as [Dim, Dim];
    if (!equalDims(images, texts)) throw new ConfigError("BLIP: labels need one text for every image");
    const logits = div(itc_similarity!, this.config.temperature);
    const oneWay = (scores: Node): Node => crossEntropy(scores, iota(images));
    const loss_itm = crossEntropy(itm_logits!, labels);
    const loss_itc = mul(add(oneWay(logits), oneWay(swapAxes(logits, 0, 1))), 0.5);
    return { loss: add(loss_itm, loss_itc), loss_itm, loss_itc };
  }
}

/** Answers to questions about images: a text encoder reads the question, a decoder writes the answer. */
export class BlipForQuestionAnswering implements GenerativeModel {
  readonly vision: BlipVision;
  readonly text: BlipText;
  readonly decoder: BlipDecoder;
  readonly maxLength: number;
  readonly ends: SequenceEnds;

  /** @throws ConfigError when images and texts differ in width, as the decoder's source would have two. */
  constructor(init: Init, { visionConfig, textConfig }: BlipConfig) {
    if (visionConfig.hiddenSize !== textConfig.hiddenSize) {
      throw new ConfigError(
        `BLIP: hidden_size must be the same of images and texts, got ${visionConfig.hiddenSize} and ${textConfig.hiddenSize}`,
      );
    }
    this.vision = new BlipVision(init, visionConfig);
    this.text = new BlipText(init, textConfig, visionConfig.hiddenSize);
    this.decoder = new BlipDecoder(init, textConfig, visionConfig.hiddenSize);
    this.maxLength = textConfig.maxPositionEmbeddings;
    this.ends = this.decoder.ends;
  }

  /**
   * `pixel_values` [B, C, H, W]; the question's `input_ids` and `attention_mask` [B, T]; the answer's
   * `decoder_input_ids` and `decoder_attention_mask` [B, A], and its `labels` (−100: padding). `answer_weights` [B]
   * weigh the answers in `weighted_loss`.
   */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const ids = requiredInput(inputs, "decoder_input_ids", "BLIP");
    const image_embeds = this.vision.forward(ctx, pixelsOf("BLIP", inputs));
    const question_states = this.read(ctx, inputs, image_embeds);
    const { attention_mask, decoder_attention_mask, labels, answer_weights } = inputs;
    const sourceBias = attention_mask && paddingBias(attention_mask, image_embeds.dtype);
    const decoder_logits = this.decoder.forward(
      ctx,
      ids,
      decoder_attention_mask,
      question_states,
      sourceBias,
    );
    const outputs = { decoder_logits, question_states, image_embeds };
    if (!labels) return outputs;
    const loss_per_answer = this.decoder.rowLosses(decoder_logits, labels);
    const weighted = answer_weights && { weighted_loss: mean(mul(answer_weights, loss_per_answer)) };
    return { loss: this.decoder.loss(decoder_logits, labels), loss_per_answer, ...weighted, ...outputs };
  }

  encode(ctx: Context, inputs: Inputs): Node {
    return this.read(ctx, inputs, this.vision.forward(ctx, pixelsOf("BLIP", inputs)));
  }

  /** The question's states [B, T, D]. */
  private read(ctx: Context, inputs: Inputs, source: Node): Node {
    const ids = requiredInput(inputs, "input_ids", "BLIP");
    const bias = inputs.attention_mask && paddingBias(inputs.attention_mask, source.dtype);
    return this.text.forward(ctx, ids, { bias, source, captureAs: "question_" });
  }

  decode(ctx: Context, step: DecoderStep): Node {
    return this.decoder.decode(ctx, step);
  }

  logits(hidden: Node): Node {
    return this.decoder.head.forward(hidden);
  }
}
