/**
 * What ViT, DeiT and MAE share: patches as tokens, and a pre-norm encoder.
 * Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929
 * B batch, C channels, H × W pixels, N patches, T tokens, D hidden size.
 */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add, reshape, transpose } from "../graph/ops/core.ts";
import { resize } from "../graph/ops/resize.ts";
import { concat, slice } from "../graph/ops/shape.ts";
import { spatialSizes } from "../graph/ops/windows.ts";
import { MultiHeadAttention } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Conv2d } from "../nn/conv.ts";
import { FeedForward } from "../nn/feed-forward.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { productOf } from "../tensor/dims.ts";
import type { NameMap } from "../weights/names.ts";
import { activationName, id2label, problemType, rate, size } from "./config.ts";

/** A number of pixels for both axes, or [height, width]. */
export const imageSize = z
  .union([size, z.tuple([size, size])])
  .transform((value): readonly [number, number] => (typeof value === "number" ? [value, value] : value));

export const vitConfigSchema = z.object({
  hiddenSize: size.default(768),
  numHiddenLayers: z.number().int().min(0).max(1000).default(12),
  numAttentionHeads: size.default(12),
  intermediateSize: size.default(3072),
  hiddenAct: activationName.default("gelu"),
  hiddenDropoutProb: rate.default(0),
  attentionProbsDropoutProb: rate.default(0),
  dropPathRate: rate.default(0),
  initializerRange: z.number().positive().default(0.02),
  layerNormEps: z.number().positive().default(1e-12),
  imageSize: imageSize.default([224, 224]),
  patchSize: imageSize.default([16, 16]),
  numChannels: size.default(3),
  qkvBias: z.boolean().default(true),
  /**
   * How positions are resampled for another image size: to the exact size, or by the factor (size + 0.1) / trained size
   * as transformers did before 4.47.
   */
  positionInterpolation: z.enum(["exact_size", "scale_factor"]).default("exact_size"),
  /** What a classifier reads: the class token, the mean of the patches, or what a learned probe attends to. */
  pooling: z.enum(["class", "mean", "attention"]).default("class"),
  /** A batch norm without scale and shift before the classifier, as MAE's authors probe an encoder. */
  batchNormHead: z.boolean().default(false),
  /** How DeiT's second classifier learns from a teacher, its share of the loss, and the temperature. */
  distillationType: z.enum(["soft", "hard"]).default("hard"),
  alpha: z.number().min(0).max(1).default(0.5),
  tau: z.number().positive().default(1),
  labelSmoothing: rate.default(0),
  id2label,
  problemType,
});

export type VitConfig = z.infer<typeof vitConfigSchema>;

/** Patches in rows and columns of an image. @throws ConfigError unless patches fill it. */
export function gridOf(
  where: string,
  [height, width]: readonly number[],
  [rows, columns]: readonly [number, number],
): [number, number] {
  if (height! % rows !== 0 || width! % columns !== 0) {
    throw new ConfigError(
      `${where}: an image of ${height} × ${width} pixels does not divide into patches of ${rows} × ${columns}; give sides that are multiples of these`,
    );
  }
  return [height! / rows, width! / columns];
}

/** A linear map of every patch. */
export class PatchEmbedding {
  readonly projection: Conv2d;

  constructor(
    init: Init,
    private readonly config: Pick<VitConfig, "patchSize" | "numChannels" | "hiddenSize">,
  ) {
    const { patchSize, numChannels, hiddenSize } = config;
    this.projection = new Conv2d(init, numChannels, hiddenSize, patchSize, { strides: patchSize });
  }

  /** pixels [B, C, H, W] → [B, N, D]. @throws ConfigError unless patches fill the image. */
  forward(pixels: Node): Node {
    gridOf("patches", spatialSizes("patches", pixels.shape), this.config.patchSize);
    const map = this.projection.forward(pixels);
    const [batch, width, ...grid] = map.shape;
    return transpose(reshape(map, [batch!, width!, productOf(grid)]), [0, 2, 1]);
  }
}

/**
 * A position table [1, S + N, D] for an image of another size: the first S positions stay, the grid of the others is
 * resampled bicubically.
 */
export function positionsFor(
  table: Node,
  special: number,
  trained: readonly [number, number],
  wanted: readonly [number, number],
  interpolation: VitConfig["positionInterpolation"],
): Node {
  if (trained[0] === wanted[0] && trained[1] === wanted[1]) return table;
  const width = table.shape[2]!;
  const grid = transpose(reshape(slice(table, 1, special), [1, ...trained, width]), [0, 3, 1, 2]);
  const scales =
    interpolation === "exact_size" ? {} : { scales: wanted.map((size, at) => (size + 0.1) / trained[at]!) };
  const resampled = transpose(resize(grid, wanted, "bicubic", scales), [0, 2, 3, 1]);
  return concat([slice(table, 1, 0, special), reshape(resampled, [1, wanted[0] * wanted[1], width])], 1);
}

type LayerConfig = Pick<
  VitConfig,
  | "hiddenSize"
  | "numAttentionHeads"
  | "intermediateSize"
  | "hiddenAct"
  | "hiddenDropoutProb"
  | "attentionProbsDropoutProb"
  | "layerNormEps"
  | "qkvBias"
>;

/** Attention and feed-forward, each after a norm and with a skip connection around both. */
export class VitLayer {
  readonly attentionNorm: LayerNorm;
  readonly attention: MultiHeadAttention;
  readonly feedForwardNorm: LayerNorm;
  readonly feedForward: FeedForward;

  constructor(
    init: Init,
    private readonly config: LayerConfig,
    private readonly dropPathRate = 0,
  ) {
    const { hiddenSize, numAttentionHeads, intermediateSize, hiddenAct, layerNormEps, qkvBias } = config;
    this.attentionNorm = new LayerNorm(init, hiddenSize, layerNormEps);
    this.attention = new MultiHeadAttention(init, hiddenSize, numAttentionHeads, {
      hasBias: qkvBias,
      hasOutputBias: true,
    });
    this.feedForwardNorm = new LayerNorm(init, hiddenSize, layerNormEps);
    this.feedForward = new FeedForward(init, hiddenSize, intermediateSize, hiddenAct);
  }

  /** x [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, captureAs: string): Node {
    const { hiddenDropoutProb, attentionProbsDropoutProb: dropout } = this.config;
    const branch = (node: Node): Node =>
      ctx.dropPath(ctx.dropout(node, hiddenDropoutProb), this.dropPathRate);
    const attended = this.attention.forward(ctx, this.attentionNorm.forward(x), { dropout, captureAs });
    const hidden = add(branch(attended), x);
    return add(branch(this.feedForward.forward(this.feedForwardNorm.forward(hidden))), hidden);
  }
}

/** Layers whose rate of stochastic depth grows linearly to `dropPathRate`. */
export function vitLayers(init: Init, config: LayerConfig, count: number, dropPathRate = 0): VitLayer[] {
  const last = Math.max(count - 1, 1);
  return Array.from({ length: count }, (_, at) => new VitLayer(init, config, (dropPathRate * at) / last));
}

/** Runs layers; captures `hidden_states.N` (0: their input) and `attentions.N`. x [B, T, D] → [B, T, D]. */
export function runLayers(ctx: Context, layers: readonly VitLayer[], x: Node): Node {
  let hidden = ctx.capture("hidden_states.0", x);
  layers.forEach((layer, at) => {
    hidden = ctx.capture(`hidden_states.${at + 1}`, layer.forward(ctx, hidden, `attentions.${at}`));
  });
  return hidden;
}

/** Ours → Hugging Face of a layer, `ours` and `hub` being the paths of the list. */
export const vitLayerNames = (ours: string, hub: string): NameMap => ({
  [`${ours}.{i}.attentionNorm`]: `${hub}.{i}.layernorm_before`,
  [`${ours}.{i}.attention.query`]: `${hub}.{i}.attention.attention.query`,
  [`${ours}.{i}.attention.key`]: `${hub}.{i}.attention.attention.key`,
  [`${ours}.{i}.attention.value`]: `${hub}.{i}.attention.attention.value`,
  [`${ours}.{i}.attention.output`]: `${hub}.{i}.attention.output.dense`,
  [`${ours}.{i}.feedForwardNorm`]: `${hub}.{i}.layernorm_after`,
  [`${ours}.{i}.feedForward.up`]: `${hub}.{i}.intermediate.dense`,
  [`${ours}.{i}.feedForward.down`]: `${hub}.{i}.output.dense`,
});
