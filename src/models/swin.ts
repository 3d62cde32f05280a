/**
 * Swin: attention inside windows that move between layers, in stages of fewer and wider tokens.
 * Liu et al. 2021, https://arxiv.org/abs/2103.14030
 * B batch, C channels, H × W cells, N windows of S × S cells, T = S², K labels.
 */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add, reshape, transpose } from "../graph/ops/core.ts";
import { mean } from "../graph/ops/reduce.ts";
import { padAxis } from "../graph/ops/shape.ts";
import { scaledDotProductAttention } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Conv2d } from "../nn/conv.ts";
import { FeedForward } from "../nn/feed-forward.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { mergePatches, shiftMap } from "../nn/windows.ts";
import { type Dim, mulDims } from "../tensor/dims.ts";
import type { NameMap } from "../weights/names.ts";
import { activationName, id2label, problemType, rate, size } from "./config.ts";
import { classified, pixelsOf } from "./image-heads.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { crop, cutWindows, joinWindows, padToMultiple, windowBias } from "./swin-windows.ts";
import { imageSize } from "./vit-layers.ts";

const perStage = z.array(size).min(1);

export const swinConfigSchema = z
  .object({
    imageSize: imageSize.default([224, 224]),
    patchSize: imageSize.default([4, 4]),
    numChannels: size.default(3),
    embedDim: size.default(96),
    depths: perStage.default([2, 2, 6, 2]),
    numHeads: perStage.default([3, 6, 12, 24]),
    windowSize: size.default(7),
    mlpRatio: z.number().positive().default(4),
    qkvBias: z.boolean().default(true),
    hiddenDropoutProb: rate.default(0),
    attentionProbsDropoutProb: rate.default(0),
    dropPathRate: rate.default(0.1),
    hiddenAct: activationName.default("gelu"),
    useAbsoluteEmbeddings: z.literal(false, "absolute embeddings are not supported").default(false),
    layerNormEps: z.number().positive().default(1e-5),
    initializerRange: z.number().positive().default(0.02),
    labelSmoothing: rate.default(0),
    id2label,
    problemType,
  })
  .refine(
    ({ depths, numHeads }) => depths.length === numHeads.length,
    "depths and num_heads must name as many stages",
  );

export type SwinConfig = z.infer<typeof swinConfigSchema>;

/** Rows and columns of a map. */
type Grid = readonly [number, number];

function gridOf(map: Node): Grid {
  const [, height, width] = map.shape as [Dim, number, number];
  return [height, width];
}

/** Norms of embeddings and merging have this epsilon whatever the config says. */
const fixedEpsilon = 1e-5;

/** Non-overlapping patches, normalised. */
class SwinEmbeddings {
  readonly projection: Conv2d;
  readonly norm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: SwinConfig,
  ) {
    const { numChannels, embedDim, patchSize } = config;
    this.projection = new Conv2d(init, numChannels, embedDim, patchSize, { strides: patchSize });
    this.norm = new LayerNorm(init, embedDim, fixedEpsilon);
  }

  /** pixels [B, C, H, W], padded to whole patches → [B, H', W', D]. */
  forward(ctx: Context, pixels: Node): Node {
    const whole = this.config.patchSize.reduce((x, side, at) => {
      const length = x.shape[at + 2] as number;
      return padAxis(x, at + 2, 0, (side - (length % side)) % side);
    }, pixels);
    const map = transpose(this.projection.forward(whole), [0, 2, 3, 1]);
    return ctx.dropout(this.norm.forward(map), this.config.hiddenDropoutProb);
  }
}

/** Attention of all heads inside each window. */
class WindowAttention {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly output: Linear;
  readonly biasTable: Node;

  constructor(
    init: Init,
    private readonly width: number,
    private readonly heads: number,
    side: number,
    qkvBias: boolean,
  ) {
    if (width % heads !== 0)
      throw new ConfigError(`Swin: width ${width} is not a multiple of ${heads} heads`);
    this.query = new Linear(init, width, width, qkvBias);
    this.key = new Linear(init, width, width, qkvBias);
    this.value = new Linear(init, width, width, qkvBias);
    this.output = new Linear(init, width, width);
    this.biasTable = init.truncatedNormal([(2 * side - 1) ** 2, heads]);
  }

  /** windows [B, N, T, C], bias to [B, N, heads, T, T] → [B, N, T, C]. Captures probabilities [B·N, heads, T, T]. */
  forward(ctx: Context, windows: Node, bias: Node, dropout: number, captureAs: string): Node {
    const [batch, count, cells] = windows.shape as [Dim, number, number];
    const split = (linear: Linear): Node =>
      transpose(
        reshape(linear.forward(windows), [batch, count, cells, this.heads, this.width / this.heads]),
        [0, 1, 3, 2, 4],
      );
    const parts = [{ key: split(this.key), value: split(this.value) }];
    const mixed = scaledDotProductAttention(ctx, split(this.query), parts, { bias, dropout, captureAs });
    const probabilities = ctx.captured.get(captureAs)!;
    ctx.capture(captureAs, reshape(probabilities, [mulDims(batch, count), this.heads, cells, cells]));
    return this.output.forward(reshape(transpose(mixed, [0, 1, 3, 2, 4]), windows.shape));
  }
}

/** One layer: attention in windows, shifted in every second layer, and a feed-forward block. */
class SwinBlock {
  readonly attentionNorm: LayerNorm;
  readonly attention: WindowAttention;
  readonly feedForwardNorm: LayerNorm;
  readonly feedForward: FeedForward;

  constructor(
    init: Init,
    private readonly config: SwinConfig,
    width: number,
    heads: number,
    private readonly side: number,
    private readonly isShifted: boolean,
    private readonly dropPathRate: number,
  ) {
    const { layerNormEps, mlpRatio, hiddenAct, qkvBias } = config;
    this.attentionNorm = new LayerNorm(init, width, layerNormEps);
    this.attention = new WindowAttention(init, width, heads, side, qkvBias);
    this.feedForwardNorm = new LayerNorm(init, width, layerNormEps);
    this.feedForward = new FeedForward(init, width, Math.trunc(mlpRatio * width), hiddenAct);
  }

  /** [B, H, W, C] → the same. @throws ConfigError when the map is smaller than a window. */
  forward(ctx: Context, map: Node, captureAs: string): Node {
    const { hiddenDropoutProb } = this.config;
    const attended = this.attend(ctx, this.attentionNorm.forward(map), captureAs);
    const hidden = add(map, ctx.dropPath(ctx.dropout(attended, hiddenDropoutProb), this.dropPathRate));
    const fed = this.feedForward.forward(this.feedForwardNorm.forward(hidden));
    return add(hidden, ctx.dropPath(ctx.dropout(fed, hiddenDropoutProb), this.dropPathRate));
  }

  private attend(ctx: Context, map: Node, captureAs: string): Node {
    const { side } = this;
    const grid = gridOf(map);
    if (Math.min(...grid) < side) {
      throw new ConfigError(
        `Swin: a map of ${grid.join(" × ")} cells is smaller than a window of ${side}; give an image at least as large as those of training`,
      );
    }
    const by = this.isShifted && Math.min(...grid) > side ? Math.floor(side / 2) : 0;
    const padded = padToMultiple(map, side);
    const windows = cutWindows(shiftMap(padded, by), side);
    const bias = windowBias(this.attention.biasTable, side, by, gridOf(padded));
    const mixed = this.attention.forward(
      ctx,
      windows,
      bias,
      this.config.attentionProbsDropoutProb,
      captureAs,
    );
    return crop(shiftMap(joinWindows(mixed, side, gridOf(padded)), -by), grid);
  }
}

/** Every 2 × 2 cells as one of twice the width. */
class PatchMerging {
  readonly reduction: Linear;
  readonly norm: LayerNorm;

  constructor(init: Init, width: number) {
    this.reduction = new Linear(init, 4 * width, 2 * width, false);
    this.norm = new LayerNorm(init, 4 * width, fixedEpsilon);
  }

  /** [B, H, W, C] → [B, ⌈H/2⌉, ⌈W/2⌉, 2C]. */
  forward(map: Node): Node {
    const even = padToMultiple(map, 2);
    const [batch, height, width, channels] = even.shape as [Dim, number, number, number];
    const merged = reshape(mergePatches(even), [batch, height / 2, width / 2, 4 * channels]);
    return this.reduction.forward(this.norm.forward(merged));
  }
}

/** Layers of one width, then merging unless it is the last stage. */
class SwinStage {
  readonly blocks: readonly SwinBlock[];
  readonly downsample: PatchMerging | undefined;

  constructor(init: Init, config: SwinConfig, stage: number, dropPathRates: readonly number[]) {
    const width = config.embedDim * 2 ** stage;
    const side = sideOf(config, stage);
    this.blocks = dropPathRates.map(
      (rate, at) => new SwinBlock(init, config, width, config.numHeads[stage]!, side, at % 2 === 1, rate),
    );
    this.downsample = stage < config.depths.length - 1 ? new PatchMerging(init, width) : undefined;
  }

  /** Captures `attentions.N.M` of block M, and of the last one `attentions.N`. */
  forward(ctx: Context, map: Node, stage: number): Node {
    const last = this.blocks.length - 1;
    const mixed = this.blocks.reduce(
      (x, block, at) => block.forward(ctx, x, `attentions.${stage}.${at}`),
      map,
    );
    ctx.capture(`attentions.${stage}`, ctx.captured.get(`attentions.${stage}.${last}`)!);
    return this.downsample ? this.downsample.forward(mixed) : mixed;
  }
}

/** Side of a stage's windows: the whole map where that is not larger. */
function sideOf({ imageSize, patchSize, windowSize }: SwinConfig, stage: number): number {
  const grid = imageSize.map((length, at) => Math.floor(Math.floor(length / patchSize[at]!) / 2 ** stage));
  return Math.min(...grid, windowSize);
}

/** Embeddings, stages and the final norm. */
export class Swin {
  readonly embeddings: SwinEmbeddings;
  readonly stages: readonly SwinStage[];
  readonly norm: LayerNorm;

  constructor(init: Init, config: SwinConfig) {
    const { depths, dropPathRate, embedDim, layerNormEps } = config;
    this.embeddings = new SwinEmbeddings(init, config);
    const total = depths.reduce((sum, depth) => sum + depth, 0);
    let layer = 0;
    this.stages = depths.map((depth, stage) => {
      const rates = Array.from({ length: depth }, () => (dropPathRate * layer++) / Math.max(total - 1, 1));
      return new SwinStage(init, config, stage, rates);
    });
    this.norm = new LayerNorm(init, embedDim * 2 ** (depths.length - 1), layerNormEps);
  }

  /** pixels [B, C, H, W] → tokens [B, H' · W', D]. Captures `hidden_states.N`: the embeddings, then every stage. */
  forward(ctx: Context, pixels: Node): Node {
    const asTokens = (map: Node): Node => {
      const [batch, height, width, channels] = map.shape as [Dim, number, number, number];
      return reshape(map, [batch, height * width, channels]);
    };
    let map = this.embeddings.forward(ctx, pixels);
    ctx.capture("hidden_states.0", asTokens(map));
    for (const [at, stage] of this.stages.entries()) {
      map = stage.forward(ctx, map, at);
      ctx.capture(`hidden_states.${at + 1}`, asTokens(map));
    }
    return this.norm.forward(asTokens(map));
  }
}

export class SwinModel implements Model {
  readonly swin: Swin;

  constructor(init: Init, config: SwinConfig) {
    this.swin = new Swin(init, config);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const last_hidden_state = this.swin.forward(ctx, pixelsOf("Swin", inputs));
    return { last_hidden_state, pooler_output: mean(last_hidden_state, 1) };
  }
}

/** A linear classifier of the mean of all tokens. */
export class SwinForImageClassification implements Model {
  readonly swin: Swin;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: SwinConfig,
  ) {
    const { embedDim, depths, id2label } = config;
    this.swin = new Swin(init, config);
    this.classifier = new Linear(init, embedDim * 2 ** (depths.length - 1), id2label.length);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = this.swin.forward(ctx, pixelsOf("Swin", inputs));
    return classified(this.classifier.forward(mean(hidden, 1)), inputs, this.config);
  }
}

const block = "swin.encoder.layers.{i}.blocks.{j}";

/** Ours → Hugging Face. */
export const swinNames: NameMap = {
  "swin.embeddings.projection": "swin.embeddings.patch_embeddings.projection",
  "swin.embeddings.norm": "swin.embeddings.norm",
  "swin.stages.{i}.blocks.{j}.attentionNorm": `${block}.layernorm_before`,
  "swin.stages.{i}.blocks.{j}.attention.query": `${block}.attention.self.query`,
  "swin.stages.{i}.blocks.{j}.attention.key": `${block}.attention.self.key`,
  "swin.stages.{i}.blocks.{j}.attention.value": `${block}.attention.self.value`,
  "swin.stages.{i}.blocks.{j}.attention.biasTable": `${block}.attention.self.relative_position_bias_table`,
  "swin.stages.{i}.blocks.{j}.attention.output": `${block}.attention.output.dense`,
  "swin.stages.{i}.blocks.{j}.feedForwardNorm": `${block}.layernorm_after`,
  "swin.stages.{i}.blocks.{j}.feedForward.up": `${block}.intermediate.dense`,
  "swin.stages.{i}.blocks.{j}.feedForward.down": `${block}.output.dense`,
  "swin.stages.{i}.downsample": "swin.encoder.layers.{i}.downsample",
  "swin.norm": "swin.layernorm",
  classifier: "classifier",
};
