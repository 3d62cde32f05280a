/**
 * BLIP's text model: BERT's layers without segments, which may look at a source (an image, or a question) between
 * self-attention and feed-forward. With a causal mask and a head it is a decoder. Li et al. 2022,
 * https://arxiv.org/abs/2201.12086
 * B batch, T tokens, S source tokens, D hidden size, V vocabulary.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { activations } from "../graph/ops/activation.ts";
import { add } from "../graph/ops/core.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { type LayerAttentionOptions, MultiHeadAttention } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Embedding } from "../nn/embedding.ts";
import { FeedForward } from "../nn/feed-forward.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { LearnedPositions } from "../nn/positions.ts";
import type { NameMap } from "../weights/names.ts";
import { activationName, rate, size } from "./config.ts";

export const blipTextFields = {
  vocabSize: size.default(30524),
  hiddenSize: size.default(768),
  intermediateSize: size.default(3072),
  numHiddenLayers: z.number().int().min(0).max(1000).default(12),
  numAttentionHeads: size.default(12),
  maxPositionEmbeddings: size.default(512),
  hiddenAct: activationName.default("gelu"),
  layerNormEps: z.number().positive().default(1e-12),
  hiddenDropoutProb: rate.default(0),
  attentionProbsDropoutProb: rate.default(0),
  initializerRange: z.number().positive().default(0.02),
  padTokenId: z.number().int().min(0).default(0),
  positionEmbeddingType: z.literal("absolute", "only absolute positions are supported").default("absolute"),
};

export type BlipTextConfig = z.infer<z.ZodObject<typeof blipTextFields>>;

/** Attention with a skip connection around it and a norm after it. */
class AttentionBlock {
  readonly attention: MultiHeadAttention;
  readonly norm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: BlipTextConfig,
    sourceSize = config.hiddenSize,
  ) {
    const { hiddenSize, numAttentionHeads, layerNormEps } = config;
    this.attention = new MultiHeadAttention(init, hiddenSize, numAttentionHeads, { sourceSize });
    this.norm = new LayerNorm(init, hiddenSize, layerNormEps);
  }

  /** x [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, options: LayerAttentionOptions): Node {
    const { hiddenDropoutProb, attentionProbsDropoutProb: dropout } = this.config;
    const attended = this.attention.forward(ctx, x, { ...options, dropout });
    return this.norm.forward(add(ctx.dropout(attended, hiddenDropoutProb), x));
  }
}

/** What a pass over the layers is given beside the tokens. */
export interface BlipTextOptions {
  /** Broadcasts to [B, H, T, T]. */
  readonly bias?: Node | undefined;
  /** [B, S, ·]; without one, cross-attention is left out. */
  readonly source?: Node | undefined;
  /** [B, 1, 1, S]. */
  readonly sourceBias?: Node | undefined;
  /** int64 [B, T]; from 0 by default. */
  readonly positions?: Node | undefined;
  /** Before the names of captured values. */
  readonly captureAs?: string;
}

class BlipTextLayer {
  readonly self: AttentionBlock;
  readonly cross: AttentionBlock;
  readonly feedForward: FeedForward;
  readonly outputNorm: LayerNorm;

  /** `shared`: a layer of which everything but self-attention is taken. */
  constructor(
    init: Init,
    private readonly config: BlipTextConfig,
    sourceSize: number,
    shared?: BlipTextLayer,
  ) {
    const { hiddenSize, intermediateSize, hiddenAct, layerNormEps } = config;
    this.self = new AttentionBlock(init, config);
    this.cross = shared?.cross ?? new AttentionBlock(init, config, sourceSize);
    this.feedForward = shared?.feedForward ?? new FeedForward(init, hiddenSize, intermediateSize, hiddenAct);
    this.outputNorm = shared?.outputNorm ?? new LayerNorm(init, hiddenSize, layerNormEps);
  }

  /** x [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, at: number, options: BlipTextOptions): Node {
    const { bias, source, sourceBias, captureAs = "" } = options;
    const own = { bias, cacheAs: `${at}.self`, captureAs: `${captureAs}attentions.${at}` };
    const attended = this.self.forward(ctx, x, own);
    const other = { cacheAs: `${at}.cross`, captureAs: `${captureAs}cross_attentions.${at}` };
    const informed = source
      ? this.cross.forward(ctx, attended, { ...other, source, bias: sourceBias })
      : attended;
    const fed = ctx.dropout(this.feedForward.forward(informed), this.config.hiddenDropoutProb);
    return this.outputNorm.forward(add(fed, informed));
  }
}

/** Embeddings and layers. */
export class BlipText {
  readonly words: Embedding;
  readonly positions: LearnedPositions;
  readonly norm: LayerNorm;
  readonly layers: readonly BlipTextLayer[];

  /** `sourceSize`: width of what is looked at; `shared`: a model of which all but self-attention is taken. */
  constructor(
    init: Init,
    private readonly config: BlipTextConfig,
    sourceSize: number,
    shared?: BlipText,
  ) {
    const { vocabSize, hiddenSize, maxPositionEmbeddings, padTokenId, layerNormEps } = config;
    this.words = shared?.words ?? new Embedding(init, vocabSize, hiddenSize, padTokenId);
    this.positions = shared?.positions ?? new LearnedPositions(init, maxPositionEmbeddings, hiddenSize);
    this.norm = shared?.norm ?? new LayerNorm(init, hiddenSize, layerNormEps);
    this.layers = Array.from(
      { length: config.numHiddenLayers },
      (_, at) => new BlipTextLayer(init, config, sourceSize, shared?.layers[at]),
    );
  }

  /** ids [B, T] → [B, T, D]. Captures `hidden_states.N`, `attentions.N` and `cross_attentions.N`. */
  forward(ctx: Context, ids: Node, options: BlipTextOptions): Node {
    const { positions, captureAs = "" } = options;
    const places = positions ? this.positions.at(positions) : this.positions.forward(ids.shape[1]!);
    const embedded = this.norm.forward(add(this.words.forward(ids), places));
    let hidden = ctx.dropout(embedded, this.config.hiddenDropoutProb);
    ctx.capture(`${captureAs}hidden_states.0`, hidden);
    this.layers.forEach((layer, at) => {
      hidden = layer.forward(ctx, hidden, at, options);
      ctx.capture(`${captureAs}hidden_states.${at + 1}`, hidden);
    });
    return hidden;
  }
}

/** Scores of the next word. */
export class BlipWordHead {
  readonly dense: Linear;
  readonly norm: LayerNorm;
  readonly weight: Node;
  readonly bias: Node;

  /** `weight`: [V, D] where the head shares the word vectors; by default it has its own. */
  constructor(
    init: Init,
    private readonly config: BlipTextConfig,
    weight?: Node,
  ) {
    const { hiddenSize, vocabSize, layerNormEps } = config;
    this.dense = new Linear(init, hiddenSize, hiddenSize);
    this.norm = new LayerNorm(init, hiddenSize, layerNormEps);
    this.weight = weight ?? init.normal([vocabSize, hiddenSize]);
    this.bias = init.zeros([vocabSize]);
  }

  /** [..., D] → [..., V]. */
  forward(hidden: Node): Node {
    const transformed = this.norm.forward(activations[this.config.hiddenAct](this.dense.forward(hidden)));
    return add(matmul(transformed, this.weight, { transB: true }), this.bias);
  }
}

/** Ours → published names of a text model at `ours`, which is called `hub`. */
export const blipTextNames = (ours: string, hub: string): NameMap => ({
  [`${ours}.words`]: `${hub}.embeddings.word_embeddings`,
  [`${ours}.positions`]: `${hub}.embeddings.position_embeddings`,
  [`${ours}.norm`]: `${hub}.embeddings.LayerNorm`,
  ...blockNames(`${ours}.layers.{i}.self`, `${hub}.encoder.layer.{i}.attention`),
  ...blockNames(`${ours}.layers.{i}.cross`, `${hub}.encoder.layer.{i}.crossattention`),
  [`${ours}.layers.{i}.feedForward.up`]: `${hub}.encoder.layer.{i}.intermediate.dense`,
  [`${ours}.layers.{i}.feedForward.down`]: `${hub}.encoder.layer.{i}.output.dense`,
  [`${ours}.layers.{i}.outputNorm`]: `${hub}.encoder.layer.{i}.output.LayerNorm`,
});

const blockNames = (ours: string, hub: string): NameMap => ({
  [`${ours}.attention.query`]: `${hub}.self.query`,
  [`${ours}.attention.key`]: `${hub}.self.key`,
  [`${ours}.attention.value`]: `${hub}.self.value`,
  [`${ours}.attention.output`]: `${hub}.output.dense`,
  [`${ours}.norm`]: `${hub}.output.LayerNorm`,
});

/** The same of a head, `hub` being the path of its `predictions`. */
export const blipHeadNames = (ours: string, hub: string): NameMap => ({
  [`${ours}.dense`]: `${hub}.transform.dense`,
  [`${ours}.norm`]: `${hub}.transform.LayerNorm`,
  [`${ours}.weight`]: `${hub}.decoder.weight`,
  [`${ours}.bias`]: `${hub}.bias`,
});
