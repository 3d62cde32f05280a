/** BLIP's image encoder: a ViT whose last norm is over all tokens. Li et al. 2022, https://arxiv.org/abs/2201.12086 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import type { Context } from "../nn/context.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import type { NameMap } from "../weights/names.ts";
import { activationName, rate, size } from "./config.ts";
import { ImageTokens, PreNormStack } from "./pre-norm-layers.ts";
import { imageSize } from "./vit-layers.ts";

export const blipVisionConfig = z.object({
  hiddenSize: size.default(768),
  intermediateSize: size.default(3072),
  numHiddenLayers: z.number().int().min(0).max(1000).default(12),
  numAttentionHeads: size.default(12),
  imageSize: imageSize.default([384, 384]),
  patchSize: imageSize.default([16, 16]),
  numChannels: size.default(3),
  hiddenAct: activationName.default("gelu"),
  layerNormEps: z.number().positive().default(1e-5),
  attentionDropout: rate.default(0),
  dropout: z.literal(0, "only attention_dropout is supported").default(0),
});

export type BlipVisionConfig = z.infer<typeof blipVisionConfig>;

export class BlipVision {
  readonly tokens: ImageTokens;
  readonly encoder: PreNormStack;
  readonly norm: LayerNorm;

  constructor(init: Init, config: BlipVisionConfig) {
    this.tokens = new ImageTokens(init, config, "blip");
    this.encoder = new PreNormStack(init, config, "joined");
    this.norm = new LayerNorm(init, config.hiddenSize, config.layerNormEps);
  }

  /** pixels [B, C, H, W] → [B, 1 + N, D], N patches. Captures `vision_hidden_states.N` and `vision_attentions.N`. */
  forward(ctx: Context, pixels: Node): Node {
    return this.norm.forward(this.encoder.forward(ctx, this.tokens.forward(pixels), "vision_"));
  }
}

/** Ours → Hugging Face, for an encoder at `ours` that is called `hub`. */
export const blipVisionNamesAt = (ours: string, hub: string): NameMap => ({
  [`${ours}.tokens.classToken`]: `${hub}.embeddings.class_embedding`,
  [`${ours}.tokens.positions`]: `${hub}.embeddings.position_embedding`,
  [`${ours}.tokens.patches`]: `${hub}.embeddings.patch_embedding`,
  [`${ours}.encoder.layers.{i}.attentionNorm`]: `${hub}.encoder.layers.{i}.layer_norm1`,
  [`${ours}.encoder.layers.{i}.attention.joined`]: `${hub}.encoder.layers.{i}.self_attn.qkv`,
  [`${ours}.encoder.layers.{i}.attention.output`]: `${hub}.encoder.layers.{i}.self_attn.projection`,
  [`${ours}.encoder.layers.{i}.feedForwardNorm`]: `${hub}.encoder.layers.{i}.layer_norm2`,
  [`${ours}.encoder.layers.{i}.feedForward.up`]: `${hub}.encoder.layers.{i}.mlp.fc1`,
  [`${ours}.encoder.layers.{i}.feedForward.down`]: `${hub}.encoder.layers.{i}.mlp.fc2`,
  [`${ours}.norm`]: `${hub}.post_layernorm`,
});

/** Ours → the authors' repository, for an encoder at `ours` that is called `theirs`. */
export const originalVisionNames = (ours: string, theirs: string): NameMap => ({
  [`${ours}.tokens.classToken`]: `${theirs}.cls_token`,
  [`${ours}.tokens.positions`]: `${theirs}.pos_embed`,
  [`${ours}.tokens.patches`]: `${theirs}.patch_embed.proj`,
  [`${ours}.encoder.layers.{i}.attentionNorm`]: `${theirs}.blocks.{i}.norm1`,
  [`${ours}.encoder.layers.{i}.attention.joined`]: `${theirs}.blocks.{i}.attn.qkv`,
  [`${ours}.encoder.layers.{i}.attention.output`]: `${theirs}.blocks.{i}.attn.proj`,
  [`${ours}.encoder.layers.{i}.feedForwardNorm`]: `${theirs}.blocks.{i}.norm2`,
  [`${ours}.encoder.layers.{i}.feedForward.up`]: `${theirs}.blocks.{i}.mlp.fc1`,
  [`${ours}.encoder.layers.{i}.feedForward.down`]: `${theirs}.blocks.{i}.mlp.fc2`,
  [`${ours}.norm`]: `${theirs}.norm`,
});
