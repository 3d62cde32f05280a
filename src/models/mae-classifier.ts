/**
 * The ViT that MAE's authors fine-tune and probe, under the names of their repository (timm's). He et al. 2022,
 * https://arxiv.org/abs/2111.06377
 * B batch, C channels, H × W pixels, T = N + 1 tokens, D width, K classes.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { add, broadcastTo } from "../graph/ops/core.ts";
import { mean } from "../graph/ops/reduce.ts";
import { concat, slice, squeeze } from "../graph/ops/shape.ts";
import { BatchNorm, batchNormNames } from "../nn/batch-norm.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import type { NameMap } from "../weights/names.ts";
import { rate, size } from "./config.ts";
import { architecturesOf } from "./family.ts";
import { classified, imageInput, imageLabels, pixelsOfSize } from "./image-heads.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { runTimmLayers, type TimmLayer, timmLayers } from "./timm-layers.ts";
import { gridOf, imageSize, PatchEmbedding } from "./vit-layers.ts";

const configSchema = z.object({
  imageSize: imageSize.default([224, 224]),
  patchSize: imageSize.default([16, 16]),
  numChannels: size.default(3),
  numClasses: size.default(1000),
  embedDim: size.default(768),
  depth: z.number().int().min(0).max(1000).default(12),
  numHeads: size.default(12),
  mlpRatio: z.number().positive().default(4),
  qkvBias: z.boolean().default(true),
  qkScale: z.number().positive().nullish(),
  layerNormEps: z.number().positive().default(1e-6),
  dropPathRate: rate.default(0),
  labelSmoothing: rate.default(0),
  activation: z.literal("gelu", "only gelu is supported").default("gelu"),
  normOrder: z.literal("pre", "only pre-norm is supported").default("pre"),
  /** The mean of the patches, normalised, instead of the class token. */
  globalPool: z.boolean().default(false),
  /** A frozen encoder under a batch norm and a linear classifier. */
  linearProbe: z.boolean().default(false),
});

type Config = z.infer<typeof configSchema>;

export class MaeClassifier implements Model {
  readonly classToken: Node;
  readonly positions: Node;
  readonly patches: PatchEmbedding;
  readonly blocks: readonly TimmLayer[];
  readonly norm: LayerNorm | undefined;
  readonly pooledNorm: LayerNorm | undefined;
  readonly head: Linear | readonly [BatchNorm, Linear];

  constructor(
    init: Init,
    private readonly config: Config,
  ) {
    const { embedDim, depth, layerNormEps, numClasses, linearProbe, globalPool } = config;
    const encoderInit = linearProbe ? init.frozen() : init;
    const [rows, columns] = gridOf("MAE", config.imageSize, config.patchSize);
    this.classToken = encoderInit.normal([1, 1, embedDim]);
    this.positions = encoderInit.normal([1, 1 + rows * columns, embedDim]);
    this.patches = new PatchEmbedding(encoderInit, { ...config, hiddenSize: embedDim });
    this.blocks = timmLayers(encoderInit, config, depth, config.dropPathRate);
    const norm = new LayerNorm(encoderInit, embedDim, layerNormEps);
    this.norm = globalPool ? undefined : norm;
    this.pooledNorm = globalPool ? norm : undefined;
    const classifier = new Linear(init, embedDim, numClasses);
    this.head = linearProbe
      ? [new BatchNorm(init, embedDim, { epsilon: 1e-6, isAffine: false }), classifier]
      : classifier;
  }

  /** `pixel_values` [B, C, H, W] of the config's size. Captures `block_output.N` and `pooled`. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const pixels = pixelsOfSize("MAE", inputs, this.config.imageSize);
    const classTokens = broadcastTo(this.classToken, [pixels.shape[0]!, 1, this.config.embedDim]);
    const tokens = add(concat([classTokens, this.patches.forward(pixels)], 1), this.positions);
    const pooled = ctx.capture("pooled", this.pool(runTimmLayers(ctx, this.blocks, tokens)));
    return classified(this.classify(ctx, pooled), inputs, this.config);
  }

  /** [B, T, D] → [B, D]. */
  private pool(hidden: Node): Node {
    if (this.pooledNorm) return this.pooledNorm.forward(mean(slice(hidden, 1, 1), 1));
    return squeeze(slice(this.norm!.forward(hidden), 1, 0, 1), 1);
  }

  private classify(ctx: Context, pooled: Node): Node {
    if (this.head instanceof Linear) return this.head.forward(pooled);
    const [norm, classifier] = this.head;
    return classifier.forward(norm.forward(ctx, pooled));
  }
}

const names: NameMap = {
  classToken: "cls_token",
  positions: "pos_embed",
  "patches.projection": "patch_embed.proj",
  blocks: "blocks",
  norm: "norm",
  pooledNorm: "fc_norm",
  head: "head",
  "head.{i}.runningMean": `head.{i}.${batchNormNames.runningMean}`,
  "head.{i}.runningVariance": `head.{i}.${batchNormNames.runningVariance}`,
  "head.{i}.batches": `head.{i}.${batchNormNames.batches}`,
};

export const maeClassifierArchitectures = architecturesOf(
  {
    modelType: "mae-vit-classifier",
    config: configSchema,
    names,
    basePrefix: "",
    inputs: ({ numChannels, imageSize }) => [imageInput(numChannels, imageSize)],
  },
  [{ name: "mae-vit-classifier", task: "image-classification", build: MaeClassifier, labels: imageLabels }],
);
