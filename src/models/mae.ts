/**
 * MAE: an encoder that sees a quarter of an image's patches, and a small decoder that paints the others.
 * He et al. 2022, https://arxiv.org/abs/2111.06377
 * B batch, C channels, N patches, V visible patches, D hidden size, E decoder's hidden size, P = C · patch area.
 */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add, broadcastTo, div, mul, sub, sum } from "../graph/ops/core.ts";
import { takeAlong, topK } from "../graph/ops/indexing.ts";
import { square } from "../graph/ops/math.ts";
import { mean } from "../graph/ops/reduce.ts";
import { cast, greaterEqual } from "../graph/ops/select.ts";
import { concat, slice, unsqueeze } from "../graph/ops/shape.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { normalizePatches, patchify, unpatchify } from "../nn/patches.ts";
import { gridSinusoids } from "../nn/positions-grid.ts";
import type { Dim } from "../tensor/dims.ts";
import type { NameMap } from "../weights/names.ts";
import { size } from "./config.ts";
import { pixelsOfSize } from "./image-heads.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import {
  gridOf,
  PatchEmbedding,
  runLayers,
  type VitLayer,
  vitConfigSchema,
  vitLayerNames,
  vitLayers,
} from "./vit-layers.ts";

export const maeConfigSchema = vitConfigSchema
  .extend({
    decoderHiddenSize: size.default(512),
    decoderNumHiddenLayers: z.number().int().min(0).max(1000).default(8),
    decoderNumAttentionHeads: size.default(16),
    decoderIntermediateSize: size.default(2048),
    /** Share of the patches that the encoder does not see. */
    maskRatio: z.number().min(0).lt(1).default(0.75),
    /** Whether each patch is painted relative to its own mean and variance. */
    normPixLoss: z.boolean().default(false),
  })
  .refine(({ patchSize: [rows, columns] }) => rows === columns, "patch_size: patches must be square");

export type MaeConfig = z.infer<typeof maeConfigSchema>;

/** Which patches are seen. Patches are ranked by noise; those with the least are kept, in that order. */
export interface Masking {
  /** int64 [B, V]: the patches kept. */
  readonly kept: Node;
  /** int64 [B, N]: each patch's rank. */
  readonly ranks: Node;
  /** Float [B, N]: 1 where a patch is hidden. */
  readonly mask: Node;
}

/** noise [B, N] → which patches are seen, V = ⌊N (1 − ratio)⌋. */
export function maskByNoise(noise: Node, ratio: number): Masking {
  const count = noise.shape[1] as number;
  const visible = Math.trunc(count * (1 - ratio));
  const order = topK(mul(noise, -1), count).indices;
  const ranks = topK(mul(cast(order, noise.dtype), -1), count).indices; // the inverse permutation
  return {
    kept: slice(order, 1, 0, visible),
    ranks,
    mask: cast(greaterEqual(ranks, visible), noise.dtype),
  };
}

/** Rows [B, N, D] at places [B, M] → [B, M, D]. */
function takeRows(rows: Node, places: Node): Node {
  const width = rows.shape[2]!;
  return takeAlong(rows, broadcastTo(unsqueeze(places, 2), [...places.shape, width]), 1);
}

/** Positions of a grid with a row of zeros for the class token before it, kept with the weights. */
function fixedPositions(init: Init, width: number, grid: readonly [number, number]): Node {
  const table = gridSinusoids(width, grid, 1, init.dtype);
  return init.table(table.reshape([1, ...table.shape]));
}

/** The encoder: patches with positions, of which only the visible ones go on; class token; layers; norm. */
class MaeEncoder {
  readonly classToken: Node;
  readonly positions: Node;
  readonly patches: PatchEmbedding;
  readonly layers: readonly VitLayer[];
  readonly norm: LayerNorm;

  constructor(init: Init, config: MaeConfig) {
    const { hiddenSize, imageSize, patchSize, numHiddenLayers, layerNormEps, dropPathRate } = config;
    this.classToken = init.normal([1, 1, hiddenSize]);
    this.positions = fixedPositions(init, hiddenSize, gridOf("MAE", imageSize, patchSize));
    this.patches = new PatchEmbedding(init, config);
    this.layers = vitLayers(init, config, numHiddenLayers, dropPathRate);
    this.norm = new LayerNorm(init, hiddenSize, layerNormEps);
  }

  /** pixels [B, C, H, W] → [B, 1 + V, D], class token first. */
  forward(ctx: Context, pixels: Node, { kept }: Masking): Node {
    const placed = add(this.patches.forward(pixels), slice(this.positions, 1, 1));
    const first = add(this.classToken, slice(this.positions, 1, 0, 1));
    const classTokens = broadcastTo(first, [pixels.shape[0]!, 1, first.shape[2]!]);
    return this.norm.forward(runLayers(ctx, this.layers, concat([classTokens, takeRows(placed, kept)], 1)));
  }
}

/** The decoder: a learned token in every hidden place, positions, layers, and pixels of every patch. */
class MaeDecoder {
  readonly maskToken: Node;
  readonly positions: Node;
  readonly embed: Linear;
  readonly layers: readonly VitLayer[];
  readonly norm: LayerNorm;
  readonly predict: Linear;

  constructor(init: Init, config: MaeConfig) {
    const {
      decoderHiddenSize: hiddenSize,
      hiddenSize: encoderSize,
      imageSize,
      patchSize,
      numChannels,
    } = config;
    this.maskToken = init.normal([1, 1, hiddenSize]);
    this.positions = fixedPositions(init, hiddenSize, gridOf("MAE", imageSize, patchSize));
    this.embed = new Linear(init, encoderSize, hiddenSize);
    const layer = {
      ...config,
      hiddenSize,
      numAttentionHeads: config.decoderNumAttentionHeads,
      intermediateSize: config.decoderIntermediateSize,
    };
    this.layers = vitLayers(init, layer, config.decoderNumHiddenLayers);
    this.norm = new LayerNorm(init, hiddenSize, config.layerNormEps);
    this.predict = new Linear(init, hiddenSize, patchSize[0] * patchSize[1] * numChannels);
  }

  /** encoded [B, 1 + V, D] → [B, N, P]. */
  forward(ctx: Context, encoded: Node, { ranks }: Masking): Node {
    const tokens = this.embed.forward(encoded);
    const [batch, seen, width] = tokens.shape as [Dim, number, number];
    const hidden = (ranks.shape[1] as number) + 1 - seen;
    const patches = concat([slice(tokens, 1, 1), broadcastTo(this.maskToken, [batch, hidden, width])], 1);
    const inPlace = concat([slice(tokens, 1, 0, 1), takeRows(patches, ranks)], 1);
    const placed = add(inPlace, this.positions);
    const decoded = this.layers.reduce(
      (x, layer, at) => layer.forward(ctx, x, `decoder_attentions.${at}`),
      placed,
    );
    return slice(this.predict.forward(this.norm.forward(decoded)), 1, 1);
  }
}

/** Painting hidden patches. */
export class ViTMAEForPreTraining implements Model {
  readonly encoder: MaeEncoder;
  readonly decoder: MaeDecoder;

  constructor(
    init: Init,
    private readonly config: MaeConfig,
  ) {
    this.encoder = new MaeEncoder(init, config);
    this.decoder = new MaeDecoder(init, config);
  }

  /** `pixel_values` [B, C, H, W] of the config's size, `noise` [B, N]: the patches with the least of it are seen. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const pixels = pixelsOfSize("MAE", inputs, this.config.imageSize);
    if (!inputs.noise)
      throw new ConfigError('MAE: the input "noise" is missing; it chooses the visible patches');
    const { maskRatio, patchSize, imageSize, normPixLoss } = this.config;
    const masking = maskByNoise(inputs.noise, maskRatio);
    const logits = this.decoder.forward(ctx, this.encoder.forward(ctx, pixels, masking), masking);
    const target = patchify(pixels, patchSize[0], "channels-last");
    const error = mean(square(sub(logits, normPixLoss ? normalizePatches(target) : target)), -1);
    const loss = div(sum(mul(error, masking.mask)), sum(masking.mask));
    const unpatchified_logits = unpatchify(logits, imageSize, patchSize[0], "channels-last");
    return { loss, logits, mask: masking.mask, ids_restore: masking.ranks, unpatchified_logits };
  }
}

/** Ours → Hugging Face. */
export const maeNames: NameMap = {
  "encoder.classToken": "vit.embeddings.cls_token",
  "encoder.positions": "vit.embeddings.position_embeddings",
  "encoder.patches.projection": "vit.embeddings.patch_embeddings.projection",
  ...vitLayerNames("encoder.layers", "vit.encoder.layer"),
  "encoder.norm": "vit.layernorm",
  "decoder.maskToken": "decoder.mask_token",
  "decoder.positions": "decoder.decoder_pos_embed",
  "decoder.embed": "decoder.decoder_embed",
  ...vitLayerNames("decoder.layers", "decoder.decoder_layers"),
  "decoder.norm": "decoder.decoder_norm",
  "decoder.predict": "decoder.decoder_pred",
};
