/**
 * CvT: convolutions make the tokens of each stage and the queries, keys and values of each layer.
 * Wu et al. 2021, https://arxiv.org/abs/2103.15808
 * B batch, C channels, H × W cells, T = H · W tokens (one more with a class token), K labels.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { gelu } from "../graph/ops/activation.ts";
import { add, broadcastTo, reshape, transpose } from "../graph/ops/core.ts";
import { mean } from "../graph/ops/reduce.ts";
import { concat, slice } from "../graph/ops/shape.ts";
import { joinHeads, scaledDotProductAttention, splitHeads } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Conv2d } from "../nn/conv.ts";
import { ConvNorm } from "../nn/conv-norm.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import type { Dim } from "../tensor/dims.ts";
import { id2label, problemType, rate, size } from "./config.ts";
import { classified, pixelsOf } from "./image-heads.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { imageSize } from "./vit-layers.ts";

const padding = z.number().int().min(0).max(1000);
const method = z.literal("dw_bn", 'only the projection method "dw_bn" is supported');

/** Lists have an entry for each stage. */
export const cvtConfigSchema = z
  .object({
    imageSize: imageSize.default([224, 224]),
    numChannels: size.default(3),
    patchSizes: z.array(size).default([7, 3, 3]),
    patchStride: z.array(size).default([4, 2, 2]),
    patchPadding: z.array(padding).default([2, 1, 1]),
    embedDim: z.array(size).default([64, 192, 384]),
    numHeads: z.array(size).default([1, 3, 6]),
    depth: z.array(size).default([1, 2, 10]),
    mlpRatio: z.array(z.number().positive()).default([4, 4, 4]),
    attentionDropRate: z.array(rate).default([0, 0, 0]),
    dropRate: z.array(rate).default([0, 0, 0]),
    dropPathRate: z.array(rate).default([0, 0, 0.1]),
    qkvBias: z.array(z.boolean()).default([true, true, true]),
    clsToken: z.array(z.boolean()).default([false, false, true]),
    qkvProjectionMethod: z.array(method).default(["dw_bn", "dw_bn", "dw_bn"]),
    kernelQkv: z.array(size).default([3, 3, 3]),
    paddingKv: z.array(padding).default([1, 1, 1]),
    strideKv: z.array(size).default([2, 2, 2]),
    paddingQ: z.array(padding).default([1, 1, 1]),
    strideQ: z.array(size).default([1, 1, 1]),
    initializerRange: z.number().positive().default(0.02),
    labelSmoothing: rate.default(0),
    id2label,
    problemType,
  })
  .refine(
    (config) => listFields.every((name) => config[name].length >= config.depth.length),
    "every list must have an entry for each stage",
  );

const listFields = [
  "patchSizes",
  "patchStride",
  "patchPadding",
  "embedDim",
  "numHeads",
  "depth",
  "mlpRatio",
  "attentionDropRate",
  "dropRate",
  "dropPathRate",
  "qkvBias",
  "clsToken",
  "kernelQkv",
  "paddingKv",
  "strideKv",
  "paddingQ",
  "strideQ",
] as const;

export type CvtConfig = z.infer<typeof cvtConfigSchema>;

type ListField = (typeof listFields)[number];

/** The entries of one stage. */
type StageConfig = { readonly [Field in ListField]: CvtConfig[Field][number] };

const stageOf = (config: CvtConfig, stage: number): StageConfig =>
  Object.fromEntries(listFields.map((name) => [name, config[name][stage]])) as StageConfig;

/** All norms of tokens have this epsilon, whatever the config's `layer_norm_eps` says. */
const epsilon = 1e-5;

/** [B, C, H, W] → [B, H · W, C]. */
function asTokens(map: Node): Node {
  const [batch, channels, height, width] = map.shape as [Dim, number, number, number];
  return transpose(reshape(map, [batch, channels, height * width]), [0, 2, 1]);
}

/** [B, H · W, C] → [B, C, H, W]. */
function asMap(tokens: Node, [height, width]: Grid): Node {
  const [batch, , channels] = tokens.shape;
  return reshape(transpose(tokens, [0, 2, 1]), [batch!, channels!, height, width]);
}

type Grid = readonly [number, number];

function gridOf(map: Node): Grid {
  const [, , height, width] = map.shape as [Dim, Dim, number, number];
  return [height, width];
}

/** Overlapping patches of the image or of the stage before, normalised. */
class ConvEmbedding {
  readonly projection: Conv2d;
  readonly norm: LayerNorm;

  constructor(
    init: Init,
    inChannels: number,
    { patchSizes, patchStride, patchPadding, embedDim }: StageConfig,
  ) {
    const options = { strides: patchStride, padding: patchPadding };
    this.projection = new Conv2d(init, inChannels, embedDim, patchSizes, options);
    this.norm = new LayerNorm(init, embedDim, epsilon);
  }

  /** [B, C, H, W] → [B, D, H', W']. */
  forward(x: Node): Node {
    const map = this.projection.forward(x);
    return asMap(this.norm.forward(asTokens(map)), gridOf(map));
  }
}

/** A depthwise convolution with batch norm, then a linear map. The class token skips the convolution. */
class ConvProjection {
  readonly convolution: ConvNorm;
  readonly linear: Linear;

  constructor(init: Init, { embedDim, kernelQkv, qkvBias }: StageConfig, strides: number, padding: number) {
    this.convolution = new ConvNorm(init, embedDim, embedDim, kernelQkv, {
      strides,
      padding,
      groups: embedDim,
    });
    this.linear = new Linear(init, embedDim, embedDim, qkvBias);
  }

  /** map [B, D, H, W], class token [B, 1, D] or none → [B, T, D]. */
  forward(ctx: Context, map: Node, classToken: Node | undefined): Node {
    const tokens = asTokens(this.convolution.forward(ctx, map));
    return this.linear.forward(classToken ? concat([classToken, tokens], 1) : tokens);
  }
}

class ConvAttention {
  readonly query: ConvProjection;
  readonly key: ConvProjection;
  readonly value: ConvProjection;
  readonly output: Linear;

  constructor(
    init: Init,
    private readonly config: StageConfig,
  ) {
    const { embedDim, strideQ, paddingQ, strideKv, paddingKv } = config;
    this.query = new ConvProjection(init, config, strideQ, paddingQ);
    this.key = new ConvProjection(init, config, strideKv, paddingKv);
    this.value = new ConvProjection(init, config, strideKv, paddingKv);
    this.output = new Linear(init, embedDim, embedDim);
  }

  /** tokens [B, T, D] of a grid, class token first where there is one → the same shape. */
  forward(ctx: Context, tokens: Node, grid: Grid, captureAs: string): Node {
    const { embedDim, numHeads, clsToken, attentionDropRate: dropout, dropRate } = this.config;
    const classToken = clsToken ? slice(tokens, 1, 0, 1) : undefined;
    const map = asMap(clsToken ? slice(tokens, 1, 1) : tokens, grid);
    const heads = (projection: ConvProjection): Node =>
      splitHeads(projection.forward(ctx, map, classToken), numHeads);
    const parts = [{ key: heads(this.key), value: heads(this.value) }];
    // The published models scale by the width of the stage, not of a head.
    const options = { scale: embedDim ** -0.5, dropout, captureAs };
    const mixed = joinHeads(scaledDotProductAttention(ctx, heads(this.query), parts, options));
    return ctx.dropout(this.output.forward(mixed), dropRate);
  }
}

/** Attention and feed-forward, each after a norm and with a skip connection around both. */
class CvtLayer {
  readonly attentionNorm: LayerNorm;
  readonly attention: ConvAttention;
  readonly feedForwardNorm: LayerNorm;
  readonly up: Linear;
  readonly down: Linear;

  constructor(
    init: Init,
    private readonly config: StageConfig,
    private readonly dropPathRate: number,
  ) {
    const { embedDim, mlpRatio } = config;
    const inner = Math.trunc(embedDim * mlpRatio);
    this.attentionNorm = new LayerNorm(init, embedDim, epsilon);
    this.attention = new ConvAttention(init, config);
    this.feedForwardNorm = new LayerNorm(init, embedDim, epsilon);
    this.up = new Linear(init, embedDim, inner);
    this.down = new Linear(init, inner, embedDim);
  }

  forward(ctx: Context, tokens: Node, grid: Grid, captureAs: string): Node {
    const attended = this.attention.forward(ctx, this.attentionNorm.forward(tokens), grid, captureAs);
    const hidden = add(ctx.dropPath(attended, this.dropPathRate), tokens);
    const fed = this.down.forward(gelu(this.up.forward(this.feedForwardNorm.forward(hidden))));
    return add(ctx.dropPath(ctx.dropout(fed, this.config.dropRate), this.dropPathRate), hidden);
  }
}

/** What a stage gives: its map [B, D, H, W], and its class token [B, 1, D] where it has one. */
interface StageOutput {
  readonly map: Node;
  readonly classToken: Node | undefined;
}

class CvtStage {
  readonly classToken: Node | undefined;
  readonly embedding: ConvEmbedding;
  readonly layers: readonly CvtLayer[];

  constructor(
    init: Init,
    inChannels: number,
    private readonly config: StageConfig,
  ) {
    const { clsToken, embedDim, depth, dropPathRate } = config;
    this.classToken = clsToken ? init.normal([1, 1, embedDim]) : undefined;
    this.embedding = new ConvEmbedding(init, inChannels, config);
    const last = Math.max(depth - 1, 1);
    this.layers = Array.from(
      { length: depth },
      (_, at) => new CvtLayer(init, config, (dropPathRate * at) / last),
    );
  }

  /** Captures `attentions.N.M` of layer M. */
  forward(ctx: Context, x: Node, stage: number): StageOutput {
    const map = ctx.dropout(this.embedding.forward(x), this.config.dropRate);
    const grid = gridOf(map);
    const patches = asTokens(map);
    const first = this.classToken && broadcastTo(this.classToken, [map.shape[0]!, 1, this.config.embedDim]);
    const tokens = this.layers.reduce(
      (hidden, layer, at) => layer.forward(ctx, hidden, grid, `attentions.${stage}.${at}`),
      first ? concat([first, patches], 1) : patches,
    );
    return {
      map: asMap(first ? slice(tokens, 1, 1) : tokens, grid),
      classToken: first && slice(tokens, 1, 0, 1),
    };
  }
}

/** All stages. */
export class Cvt {
  readonly stages: readonly CvtStage[];

  constructor(init: Init, config: CvtConfig) {
    this.stages = config.depth.map((_, at) => {
      const inChannels = at === 0 ? config.numChannels : config.embedDim[at - 1]!;
      return new CvtStage(init, inChannels, stageOf(config, at));
    });
  }

  /** pixels [B, C, H, W] → the last stage's map and class token. Captures `hidden_states.N`, the map of stage N. */
  forward(ctx: Context, pixels: Node): StageOutput {
    let output: StageOutput = { map: pixels, classToken: undefined };
    for (const [at, stage] of this.stages.entries()) {
      output = stage.forward(ctx, output.map, at);
      ctx.capture(`hidden_states.${at}`, output.map);
    }
    return output;
  }
}

export class CvtModel implements Model {
  readonly cvt: Cvt;

  constructor(init: Init, config: CvtConfig) {
    this.cvt = new Cvt(init, config);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const { map, classToken } = this.cvt.forward(ctx, pixelsOf("CvT", inputs));
    return { last_hidden_state: map, ...(classToken && { cls_token_value: classToken }) };
  }
}

/** A linear classifier of the normalised class token, or of the mean of the normalised tokens. */
export class CvtForImageClassification implements Model {
  readonly cvt: Cvt;
  readonly norm: LayerNorm;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: CvtConfig,
  ) {
    const width = config.embedDim[config.depth.length - 1]!;
    this.cvt = new Cvt(init, config);
    this.norm = new LayerNorm(init, width, epsilon);
    this.classifier = new Linear(init, width, config.id2label.length);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const { map, classToken } = this.cvt.forward(ctx, pixelsOf("CvT", inputs));
    const pooled = mean(this.norm.forward(classToken ?? asTokens(map)), 1);
    return classified(this.classifier.forward(pooled), inputs, this.config);
  }
}
