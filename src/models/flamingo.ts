/**
 * Flamingo: a causal language model that looks at the images between its words.
 * Alayrac et al. 2022, https://arxiv.org/abs/2204.14198; as OpenFlamingo builds it, Awadalla et al. 2023,
 * https://arxiv.org/abs/2308.01390, over GPT-2.
 * B batch, T tokens, M images, F frames, V visual tokens of a frame, E their width, L latents of an image, D width of
 * the text.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { add, mul, reshape, sum } from "../graph/ops/core.ts";
import { cast, equal, greaterEqual } from "../graph/ops/select.ts";
import { concat, slice, unsqueeze } from "../graph/ops/shape.ts";
import { causalBias, paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import type { Init } from "../nn/module.ts";
import { type Dim, mulDims, productOf } from "../tensor/dims.ts";
import type { MarkIds } from "../text/image-marks.ts";
import type { NameMap } from "../weights/names.ts";
import { ClipVisionTower } from "./clip-layers.ts";
import { openAiVision, openAiVisionFields, openAiVisionNames } from "./clip-openai.ts";
import { type ConfigJson, parseConfig, section, size } from "./config.ts";
import { GatedCrossAttention, gatedAttentionNames, type Media } from "./gated-attention.ts";
import type { DecoderStep, GenerativeModel, SequenceEnds } from "./generative.ts";
import { Gpt2LMHeadModel, gpt2ConfigSchema, gpt2Names } from "./gpt2.ts";
import { nextTokens, tokenLossOutputs } from "./heads.ts";
import { requiredInput } from "./inputs.ts";
import type { Inputs, Outputs } from "./model.ts";
import { PerceiverResampler, perceiverConfig, perceiverNames } from "./perceiver.ts";

const crossAttentionFields = z.object({
  dimHead: size.default(64),
  heads: size.default(8),
  ffMult: size.default(4),
  onlyAttendImmediateMedia: z.boolean().default(true),
});

export const flamingoConfigSchema = z.object({
  textConfig: section(
    gpt2ConfigSchema.extend({
      bosTokenId: z.number().int().min(0).default(50256),
      eosTokenId: z.number().int().min(0).default(50256),
    }),
  ).prefault({}),
  perceiver: section(perceiverConfig).prefault({}),
  crossAttention: section(crossAttentionFields).prefault({}),
  /** Before which layers of the language model there is attention to images: every n-th. */
  crossAttnEveryNLayers: size.default(1),
  /** The token that stands for an image. */
  mediaTokenId: z.number().int().min(0),
  /** CLIP's image tower, in its authors' fields; without it, visual tokens are fed. */
  vision: section(z.object(openAiVisionFields)).optional(),
  /** Whether the image tower and the language model stay as they are in training. */
  freezePretrained: z.boolean().default(false),
});

export type FlamingoConfig = z.infer<typeof flamingoConfigSchema>;

/** Tokens that stand for an image, and for the end of what is said of it. */
export function mediaTokensOf(json: ConfigJson): MarkIds {
  const { mediaTokenId, textConfig } = parseConfig(flamingoConfigSchema, json, "config.json");
  return { image: mediaTokenId, chunkEnd: textConfig.eosTokenId };
}

export class Flamingo implements GenerativeModel {
  readonly visionEncoder: ClipVisionTower | undefined;
  readonly perceiver: PerceiverResampler;
  readonly language: Gpt2LMHeadModel;
  /** By layer of the language model. */
  readonly crossAttention: readonly (GatedCrossAttention | undefined)[];
  readonly maxLength: number;
  readonly ends: SequenceEnds;

  constructor(
    init: Init,
    private readonly config: FlamingoConfig,
  ) {
    const { textConfig, perceiver, vision, crossAttnEveryNLayers } = config;
    const pretrained = config.freezePretrained ? init.frozen() : init;
    this.visionEncoder = vision && new ClipVisionTower(pretrained, openAiVision(vision), "joined");
    this.perceiver = new PerceiverResampler(init, perceiver);
    this.language = new Gpt2LMHeadModel(pretrained, textConfig);
    const gated = { ...config.crossAttention, dim: textConfig.nEmbd, dimVisual: perceiver.dim };
    this.crossAttention = Array.from({ length: textConfig.nLayer }, (_, layer) =>
      (layer + 1) % crossAttnEveryNLayers === 0 ? new GatedCrossAttention(init, gated) : undefined,
    );
    this.maxLength = this.language.maxLength;
    this.ends = { bos_token_id: textConfig.bosTokenId, eos_token_id: [textConfig.eosTokenId] };
  }

  /**
   * `input_ids`, `attention_mask` and `labels` [B, T], labels being the ids themselves (−100: not asked); images as
   * `vision_features` [B, M, F, V, E] or, with an image tower, `pixel_values` [B, M, F, C, H, W].
   */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const ids = requiredInput(inputs, "input_ids", "Flamingo");
    const perceiver_output = this.resampled(ctx, inputs);
    const { dtype } = perceiver_output;
    const causal = causalBias(ids.shape[1]!, ids.shape[1]!, dtype);
    const mask = inputs.attention_mask;
    const bias = mask ? add(causal, paddingBias(mask, dtype)) : causal;
    const hidden = this.run(ctx, ids, undefined, bias, { source: flattenMedia(perceiver_output) });
    const logits = this.language.logits(hidden);
    const labels = inputs.labels && nextTokens(inputs.labels);
    return { ...tokenLossOutputs(logits, labels), logits, perceiver_output };
  }

  encode(ctx: Context, inputs: Inputs): Node {
    return flattenMedia(this.resampled(ctx, inputs));
  }

  decode(ctx: Context, { ids, positions, bias, source, sourceBias }: DecoderStep): Node {
    return this.run(ctx, ids, positions, bias, { source: source!, bias: sourceBias });
  }

  logits(hidden: Node): Node {
    return this.language.logits(hidden);
  }

  /** The images' latents [B, M, L, E]. */
  private resampled(ctx: Context, inputs: Inputs): Node {
    if (!this.visionEncoder)
      return this.perceiver.forward(ctx, requiredInput(inputs, "vision_features", "Flamingo"));
    const pixels = requiredInput(inputs, "pixel_values", "Flamingo");
    const [batch, images, frames, ...sizes] = pixels.shape as [Dim, Dim, Dim, ...Dim[]];
    const rows = reshape(pixels, [productOf([batch, images, frames]), ...sizes]);
    const patches = slice(this.visionEncoder.forward(ctx, rows, "vision.").hidden, 1, 1); // no class token
    const shape = [batch, images, frames, ...patches.shape.slice(1)];
    return this.perceiver.forward(ctx, reshape(patches, shape));
  }

  /** Embeddings, layers and the last norm [B, T, D]. */
  private run(
    ctx: Context,
    ids: Node,
    positions: Node | undefined,
    bias: Node,
    images: Pick<Media, "source" | "bias">,
  ): Node {
    const seen = this.imagesSeen(ctx, ids, bias);
    const media = { ...images, latents: this.config.perceiver.numLatents, seen };
    const before = (hidden: Node, layer: number): Node =>
      this.crossAttention[layer]?.forward(ctx, hidden, media, `media.${layer}`) ?? hidden;
    return this.language.transformer.run(ctx, { ids, positions, bias, before });
  }

  /** How many image tokens each new token may attend to, itself included: [B, 1, T, 1] of ids [B, T]. */
  private imagesSeen(ctx: Context, ids: Node, bias: Node): Node {
    const isMedia = cast(equal(ids, this.config.mediaTokenId), bias.dtype);
    const own = unsqueeze(unsqueeze(isMedia, 1), -1);
    const all = concat(ctx.cache?.extendOne("media", own) ?? [own], 2); // [B, 1, P + T, 1]
    const [batch, , length] = all.shape;
    const isAllowed = cast(greaterEqual(bias, 0), bias.dtype);
    return sum(mul(isAllowed, reshape(all, [batch!, 1, 1, length!])), -1, true);
  }
}

/** [B, M, L, E] → [B, M·L, E]. */
function flattenMedia(latents: Node): Node {
  const [batch, images, count, width] = latents.shape as [Dim, Dim, Dim, Dim];
  return reshape(latents, [batch, mulDims(images, count), width]);
}

/** GPT-2's names inside OpenFlamingo, whose layers hold the language model's as `decoder_layer`. */
const languageNames: NameMap = Object.fromEntries(
  Object.entries(gpt2Names).map(([ours, hub]) => [
    `language.${ours}`,
    `lang_encoder.${hub.replace("transformer.h.{i}", "transformer.h.{i}.decoder_layer")}`,
  ]),
);

/** Ours → OpenFlamingo's. */
export const flamingoNames: NameMap = {
  ...openAiVisionNames("visionEncoder", "vision_encoder"),
  ...perceiverNames("perceiver.", "perceiver."),
  ...languageNames,
  ...gatedAttentionNames("crossAttention.{i}.", "lang_encoder.transformer.h.{i}.gated_cross_attn_layer."),
};
