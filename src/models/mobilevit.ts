/**
 * MobileViT: a light convolutional network with attention between the cells of patches.
 * Mehta & Rastegari 2022, https://arxiv.org/abs/2110.02178
 * B batch, C channels, H × W cells, P cells of a patch, N patches, D hidden size, K labels.
 */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add } from "../graph/ops/core.ts";
import { mean } from "../graph/ops/reduce.ts";
import { resize } from "../graph/ops/resize.ts";
import { concat } from "../graph/ops/shape.ts";
import { spatialSizes } from "../graph/ops/windows.ts";
import type { Context } from "../nn/context.ts";
import { Conv2d } from "../nn/conv.ts";
import { ConvNorm } from "../nn/conv-norm.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { foldPixels, unfoldPixels } from "../nn/patches.ts";
import { activationName, id2label, problemType, rate, size } from "./config.ts";
import { classified, pixelsOf } from "./image-heads.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { imageSize, type VitLayer, vitLayers } from "./vit-layers.ts";

export const mobileVitConfigSchema = z.object({
  numChannels: size.default(3),
  imageSize: imageSize.default([256, 256]),
  patchSize: size.default(2),
  hiddenSizes: z.array(size).length(3).default([144, 192, 240]),
  neckHiddenSizes: z.array(size).length(7).default([16, 32, 64, 96, 128, 160, 640]),
  numAttentionHeads: size.default(4),
  mlpRatio: z.number().positive().default(2),
  expandRatio: z.number().positive().default(4),
  hiddenAct: activationName.default("silu"),
  convKernelSize: size.default(3),
  /** How much smaller than the image the last map is: dilation takes the place of the last strides at 8 and 16. */
  outputStride: z.union([z.literal(8), z.literal(16), z.literal(32)]).default(32),
  hiddenDropoutProb: rate.default(0.1),
  attentionProbsDropoutProb: rate.default(0),
  classifierDropoutProb: rate.default(0.1),
  initializerRange: z.number().positive().default(0.02),
  layerNormEps: z.number().positive().default(1e-5),
  qkvBias: z.boolean().default(true),
  labelSmoothing: rate.default(0),
  id2label,
  problemType,
});

export type MobileVitConfig = z.infer<typeof mobileVitConfigSchema>;

/** The multiple of 8 nearest to a count, but at most a tenth below it. */
function toMultipleOf8(count: number): number {
  const nearest = Math.max(8, Math.floor((count + 4) / 8) * 8);
  return nearest < 0.9 * count ? nearest + 8 : nearest;
}

/** Keeps the size of a map under a stride of 1. */
const samePadding = (kernel: number, dilation = 1): number => Math.floor((kernel - 1) / 2) * dilation;

interface Downsampling {
  readonly stride: number;
  readonly dilation?: number;
}

/** Widen, filter each channel, narrow; a skip connection where shapes allow. Sandler et al. 2018 (MobileNetV2). */
class InvertedResidual {
  readonly expand: ConvNorm;
  readonly filter: ConvNorm;
  readonly reduce: ConvNorm;
  private readonly isResidual: boolean;

  constructor(
    init: Init,
    { expandRatio, hiddenAct: activation }: MobileVitConfig,
    inChannels: number,
    outChannels: number,
    { stride, dilation = 1 }: Downsampling,
  ) {
    const inner = toMultipleOf8(Math.round(inChannels * expandRatio));
    this.isResidual = stride === 1 && inChannels === outChannels;
    this.expand = new ConvNorm(init, inChannels, inner, 1, { activation });
    this.filter = new ConvNorm(init, inner, inner, 3, {
      strides: stride,
      dilations: dilation,
      padding: samePadding(3, dilation),
      groups: inner,
      activation,
    });
    this.reduce = new ConvNorm(init, inner, outChannels, 1);
  }

  /** [B, C, H, W] → [B, C', H / stride, W / stride]. */
  forward(ctx: Context, x: Node): Node {
    const y = this.reduce.forward(ctx, this.filter.forward(ctx, this.expand.forward(ctx, x)));
    return this.isResidual ? add(x, y) : y;
  }
}

/** Inverted residuals one after the other; the first changes width and size. */
class MobileNetLayer {
  readonly blocks: readonly InvertedResidual[];

  constructor(
    init: Init,
    config: MobileVitConfig,
    inChannels: number,
    outChannels: number,
    stride: number,
    count: number,
  ) {
    this.blocks = Array.from({ length: count }, (_, at) =>
      at === 0
        ? new InvertedResidual(init, config, inChannels, outChannels, { stride })
        : new InvertedResidual(init, config, outChannels, outChannels, { stride: 1 }),
    );
  }

  forward(ctx: Context, x: Node): Node {
    return this.blocks.reduce((map, block) => block.forward(ctx, map), x);
  }
}

/** A convolution sees what is near, attention what is far, and another convolution joins both with the input. */
class MobileVitLayer {
  readonly downsampling: InvertedResidual;
  readonly local: ConvNorm;
  readonly widen: Conv2d;
  readonly layers: readonly VitLayer[];
  readonly norm: LayerNorm;
  readonly projection: ConvNorm;
  readonly fusion: ConvNorm;

  constructor(
    init: Init,
    private readonly config: MobileVitConfig,
    inChannels: number,
    channels: number,
    hiddenSize: number,
    count: number,
    downsampling: Downsampling,
  ) {
    const { convKernelSize: kernel, hiddenAct: activation, mlpRatio, layerNormEps } = config;
    const padding = samePadding(kernel);
    const layer = { ...config, hiddenSize, intermediateSize: Math.trunc(hiddenSize * mlpRatio) };
    this.downsampling = new InvertedResidual(init, config, inChannels, channels, downsampling);
    this.local = new ConvNorm(init, channels, channels, kernel, { padding, activation });
    this.widen = new Conv2d(init, channels, hiddenSize, 1, { hasBias: false });
    this.layers = vitLayers(init, layer, count);
    this.norm = new LayerNorm(init, hiddenSize, layerNormEps);
    this.projection = new ConvNorm(init, hiddenSize, channels, 1, { activation });
    this.fusion = new ConvNorm(init, 2 * channels, channels, kernel, { padding, activation });
  }

  /** [B, C, H, W] → [B, C', H', W']. Captures `<name>.M` of attention layer M. */
  forward(ctx: Context, x: Node, name: string): Node {
    const map = this.downsampling.forward(ctx, x);
    const mixed = this.attend(ctx, this.widen.forward(this.local.forward(ctx, map)), name);
    return this.fusion.forward(ctx, concat([map, this.projection.forward(ctx, mixed)], 1));
  }

  /** Attention over patches; a map that they do not fill is resampled to one that they do, and back. */
  private attend(ctx: Context, map: Node, name: string): Node {
    const { patchSize } = this.config;
    const sizes = spatialSizes("MobileViT", map.shape);
    const whole = sizes.map((length) => Math.ceil(length / patchSize) * patchSize);
    const fitted = resize(map, whole);
    const patches = unfoldPixels(fitted, patchSize);
    const mixed = this.layers.reduce(
      (hidden, layer, at) => layer.forward(ctx, hidden, `${name}.${at}`),
      patches,
    );
    return resize(foldPixels(this.norm.forward(mixed), [whole[0]!, whole[1]!], patchSize), sizes);
  }
}

/** Stem, five layers and, where it is wanted, a last widening. */
export class MobileVit {
  readonly stem: ConvNorm;
  readonly layers: readonly (MobileNetLayer | MobileVitLayer)[];
  readonly widen: ConvNorm;

  constructor(init: Init, config: MobileVitConfig) {
    const { neckHiddenSizes: neck, hiddenSizes, numChannels, hiddenAct: activation, outputStride } = config;
    const width = (at: number): number => neck[at]!;
    this.stem = new ConvNorm(init, numChannels, width(0), 3, {
      strides: 2,
      padding: samePadding(3),
      activation,
    });
    const mobileNet = (at: number, stride: number, count: number): MobileNetLayer =>
      new MobileNetLayer(init, config, width(at), width(at + 1), stride, count);
    const mobileVit = (at: number, count: number, downsampling: Downsampling): MobileVitLayer =>
      new MobileVitLayer(init, config, width(at), width(at + 1), hiddenSizes[at - 2]!, count, downsampling);
    this.layers = [
      mobileNet(0, 1, 1),
      mobileNet(1, 2, 3),
      mobileVit(2, 2, { stride: 2 }),
      mobileVit(3, 4, outputStride === 8 ? { stride: 1 } : { stride: 2 }),
      mobileVit(4, 3, outputStride === 32 ? { stride: 2 } : { stride: 1, dilation: 16 / outputStride }),
    ];
    this.widen = new ConvNorm(init, width(5), width(6), 1, { activation });
  }

  /** pixels [B, C, H, W] → [B, 640, H/32, W/32]. Captures `hidden_states.N`, the map of layer N. */
  forward(ctx: Context, pixels: Node): Node {
    if (spatialSizes("MobileViT", pixels.shape).some((length) => length < 32)) {
      throw new ConfigError(
        `MobileViT: images must have at least 32 × 32 pixels, got ${pixels.shape.slice(2).join(" × ")}`,
      );
    }
    let map = this.stem.forward(ctx, pixels);
    for (const [at, layer] of this.layers.entries())
      map = ctx.capture(`hidden_states.${at}`, layer.forward(ctx, map, `attentions.${at}`));
    return this.widen.forward(ctx, map);
  }
}

export class MobileViTModel implements Model {
  readonly mobilevit: MobileVit;

  constructor(init: Init, config: MobileVitConfig) {
    this.mobilevit = new MobileVit(init, config);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const last_hidden_state = this.mobilevit.forward(ctx, pixelsOf("MobileViT", inputs));
    return { last_hidden_state, pooler_output: mean(last_hidden_state, [2, 3]) };
  }
}

/** A linear classifier of the mean of the last map. */
export class MobileViTForImageClassification implements Model {
  readonly mobilevit: MobileVit;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: MobileVitConfig,
  ) {
    this.mobilevit = new MobileVit(init, config);
    this.classifier = new Linear(init, config.neckHiddenSizes[6]!, config.id2label.length);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const pooled = mean(this.mobilevit.forward(ctx, pixelsOf("MobileViT", inputs)), [2, 3]);
    const logits = this.classifier.forward(ctx.dropout(pooled, this.config.classifierDropoutProb));
    return classified(logits, inputs, this.config);
  }
}
