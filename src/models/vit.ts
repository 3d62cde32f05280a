/**
 * ViT: an image as a sequence of patches, encoded by a Transformer. Dosovitskiy et al. 2021,
 * https://arxiv.org/abs/2010.11929; and DeiT, which adds a distillation token, Touvron et al. 2021,
 * https://arxiv.org/abs/2012.12877
 * B batch, C channels, H × W pixels, N patches, T = N + 1 or N + 2 tokens, D hidden size, K labels.
 */

import type { Node } from "../graph/node.ts";
import { add, broadcastTo, mul } from "../graph/ops/core.ts";
import { tanh } from "../graph/ops/math.ts";
import { argMax, mean } from "../graph/ops/reduce.ts";
import { concat, slice, squeeze } from "../graph/ops/shape.ts";
import { spatialSizes } from "../graph/ops/windows.ts";
import { MultiHeadAttention } from "../nn/attention.ts";
import { BatchNorm, batchNormNames } from "../nn/batch-norm.ts";
import type { Context } from "../nn/context.ts";
import { FeedForward } from "../nn/feed-forward.ts";
import { Linear } from "../nn/linear.ts";
import { crossEntropy } from "../nn/losses.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import type { NameMap } from "../weights/names.ts";
import { classified, imageLoss, pixelsOf, softDistillationLoss } from "./image-heads.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import {
  gridOf,
  PatchEmbedding,
  positionsFor,
  runLayers,
  type VitConfig,
  type VitLayer,
  vitLayerNames,
  vitLayers,
} from "./vit-layers.ts";

/** Special tokens and patches, with learned positions. Under attention pooling there is no class token. */
class VitEmbeddings {
  readonly classToken: Node | undefined;
  readonly distillationToken: Node | undefined;
  readonly positions: Node;
  readonly patches: PatchEmbedding;

  constructor(
    init: Init,
    private readonly config: VitConfig,
    isDistilled: boolean,
  ) {
    const { hiddenSize, imageSize, patchSize } = config;
    const [rows, columns] = gridOf("ViT", imageSize, patchSize);
    const token = (): Node => init.truncatedNormal([1, 1, hiddenSize]);
    this.classToken = config.pooling === "attention" ? undefined : token();
    this.distillationToken = isDistilled ? token() : undefined;
    this.positions = init.truncatedNormal([1, rows * columns + this.specialTokens.length, hiddenSize]);
    this.patches = new PatchEmbedding(init, config);
  }

  private get specialTokens(): Node[] {
    return [this.classToken, this.distillationToken].filter((token) => token !== undefined);
  }

  /** pixels [B, C, H, W] of any size that patches fill → [B, T, D]. Captures `position_embeddings`. */
  forward(ctx: Context, pixels: Node): Node {
    const { hiddenSize, imageSize, patchSize, hiddenDropoutProb, positionInterpolation } = this.config;
    const patches = this.patches.forward(pixels);
    const special = this.specialTokens;
    const heads = special.map((token) => broadcastTo(token, [pixels.shape[0]!, 1, hiddenSize]));
    const trained = gridOf("ViT", imageSize, patchSize);
    const wanted = gridOf("ViT", spatialSizes("ViT", pixels.shape), patchSize);
    const positions = positionsFor(this.positions, special.length, trained, wanted, positionInterpolation);
    ctx.capture("position_embeddings", positions);
    return ctx.dropout(add(concat([...heads, patches], 1), positions), hiddenDropoutProb);
  }
}

/** Embeddings, layers and the final norm. */
export class Vit {
  readonly embeddings: VitEmbeddings;
  readonly layers: readonly VitLayer[];
  readonly norm: LayerNorm;

  constructor(init: Init, config: VitConfig, isDistilled = false) {
    const { numHiddenLayers, dropPathRate, hiddenSize, layerNormEps } = config;
    this.embeddings = new VitEmbeddings(init, config, isDistilled);
    this.layers = vitLayers(init, config, numHiddenLayers, dropPathRate);
    this.norm = new LayerNorm(init, hiddenSize, layerNormEps);
  }

  /** pixels [B, C, H, W] → [B, T, D]. */
  forward(ctx: Context, pixels: Node): Node {
    return this.norm.forward(runLayers(ctx, this.layers, this.embeddings.forward(ctx, pixels)));
  }
}

/** Token `at` of [B, T, D] → [B, D]. */
const tokenAt = (hidden: Node, at: number): Node => squeeze(slice(hidden, 1, at, at + 1), 1);

/** The class token of [B, T, D], or the mean of all behind it → [B, D]. */
export const plainlyPooled = (hidden: Node, pooling: VitConfig["pooling"]): Node =>
  pooling === "mean" ? mean(slice(hidden, 1, 1), 1) : tokenAt(hidden, 0);

/** The encoder with its pooler, a tanh of a linear map of the class token. */
abstract class VitWithPooler implements Model {
  readonly pooler: { readonly dense: Linear };

  constructor(
    init: Init,
    config: VitConfig,
    readonly vit: Vit,
  ) {
    this.pooler = { dense: new Linear(init, config.hiddenSize, config.hiddenSize) };
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const last_hidden_state = this.vit.forward(ctx, pixelsOf("ViT", inputs));
    const pooler_output = tanh(this.pooler.dense.forward(tokenAt(last_hidden_state, 0)));
    return { last_hidden_state, pooler_output };
  }
}

export class ViTModel extends VitWithPooler {
  constructor(init: Init, config: VitConfig) {
    super(init, config, new Vit(init, config));
  }
}

export class DeiTModel extends VitWithPooler {
  constructor(init: Init, config: VitConfig) {
    super(init, config, new Vit(init, config, true));
  }
}

/** What one learned query attends to. Zhai et al. 2022, https://arxiv.org/abs/2106.04560 */
class AttentionPooling {
  readonly probe: Node;
  readonly attention: MultiHeadAttention;
  readonly norm: LayerNorm;
  readonly feedForward: FeedForward;

  constructor(
    init: Init,
    { hiddenSize, numAttentionHeads, intermediateSize, hiddenAct, layerNormEps }: VitConfig,
  ) {
    this.probe = init.truncatedNormal([1, 1, hiddenSize]);
    this.attention = new MultiHeadAttention(init, hiddenSize, numAttentionHeads);
    this.norm = new LayerNorm(init, hiddenSize, layerNormEps);
    this.feedForward = new FeedForward(init, hiddenSize, intermediateSize, hiddenAct);
  }

  /** [B, T, D] → [B, D]. */
  forward(ctx: Context, hidden: Node): Node {
    const probe = broadcastTo(this.probe, [hidden.shape[0]!, 1, hidden.shape[2]!]);
    const pooled = this.attention.forward(ctx, probe, { source: hidden, captureAs: "pooling_attention" });
    return tokenAt(add(pooled, this.feedForward.forward(this.norm.forward(pooled))), 0);
  }
}

/** A linear classifier of what the config's `pooling` gives. */
export class ViTForImageClassification implements Model {
  readonly vit: Vit;
  readonly pooling: AttentionPooling | undefined;
  readonly headNorm: BatchNorm | undefined;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: VitConfig,
  ) {
    this.vit = new Vit(init, config);
    this.pooling = config.pooling === "attention" ? new AttentionPooling(init, config) : undefined;
    this.headNorm = config.batchNormHead
      ? new BatchNorm(init, config.hiddenSize, { epsilon: 1e-6, isAffine: false })
      : undefined;
    this.classifier = new Linear(init, config.hiddenSize, config.id2label.length);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const pooled = this.pool(ctx, this.vit.forward(ctx, pixelsOf("ViT", inputs)));
    const normalised = this.headNorm ? this.headNorm.forward(ctx, pooled) : pooled;
    return classified(this.classifier.forward(normalised), inputs, this.config);
  }

  /** [B, T, D] → [B, D]. */
  private pool(ctx: Context, hidden: Node): Node {
    if (this.pooling) return this.pooling.forward(ctx, hidden);
    return plainlyPooled(hidden, this.config.pooling);
  }
}

/** DeiT with a classifier on its class token only. */
export class DeiTForImageClassification implements Model {
  readonly vit: Vit;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: VitConfig,
  ) {
    this.vit = new Vit(init, config, true);
    this.classifier = new Linear(init, config.hiddenSize, config.id2label.length);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = this.vit.forward(ctx, pixelsOf("DeiT", inputs));
    return classified(this.classifier.forward(tokenAt(hidden, 0)), inputs, this.config);
  }
}

/** DeiT with a classifier on each of its two tokens; the answer is their mean. */
export class DeiTForImageClassificationWithTeacher implements Model {
  readonly vit: Vit;
  readonly classifier: Linear;
  readonly distillationClassifier: Linear;

  constructor(
    init: Init,
    private readonly config: VitConfig,
  ) {
    const { hiddenSize, id2label } = config;
    this.vit = new Vit(init, config, true);
    this.classifier = new Linear(init, hiddenSize, id2label.length);
    this.distillationClassifier = new Linear(init, hiddenSize, id2label.length);
  }

  /**
   * With `labels` [B] and `teacher_logits` [B, K], the loss that the config's `distillationType` names; with labels
   * alone, as in evaluation, that of the answer.
   */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = this.vit.forward(ctx, pixelsOf("DeiT", inputs));
    const cls_logits = this.classifier.forward(tokenAt(hidden, 0));
    const distillation_logits = this.distillationClassifier.forward(tokenAt(hidden, 1));
    const logits = mul(add(cls_logits, distillation_logits), 0.5);
    const outputs = { logits, cls_logits, distillation_logits };
    const { labels, teacher_logits } = inputs;
    if (!labels) return outputs;
    if (!teacher_logits) return { loss: imageLoss(logits, labels, this.config), ...outputs };
    const base_loss = imageLoss(cls_logits, labels, this.config);
    const { distillationType, alpha, tau } = this.config;
    const taught =
      distillationType === "soft"
        ? softDistillationLoss(distillation_logits, teacher_logits, tau)
        : crossEntropy(distillation_logits, argMax(teacher_logits));
    return { loss: add(mul(base_loss, 1 - alpha), mul(taught, alpha)), base_loss, ...outputs };
  }
}

/** Ours → Hugging Face; `prefix` is the family's: vit or deit. */
export const vitNames = (prefix: "vit" | "deit"): NameMap => ({
  "vit.embeddings.classToken": `${prefix}.embeddings.cls_token`,
  "vit.embeddings.distillationToken": `${prefix}.embeddings.distillation_token`,
  "vit.embeddings.positions": `${prefix}.embeddings.position_embeddings`,
  "vit.embeddings.patches.projection": `${prefix}.embeddings.patch_embeddings.projection`,
  ...vitLayerNames("vit.layers", `${prefix}.encoder.layer`),
  "vit.norm": `${prefix}.layernorm`,
  pooler: `${prefix}.pooler`,
  pooling: "pooling",
  "headNorm.runningMean": `classifier_norm.${batchNormNames.runningMean}`,
  "headNorm.runningVariance": `classifier_norm.${batchNormNames.runningVariance}`,
  "headNorm.batches": `classifier_norm.${batchNormNames.batches}`,
  classifier: "classifier",
});
