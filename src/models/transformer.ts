/**
 * The Transformer of 2017: an encoder–decoder with attention alone.
 * Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
 * B batch, S source tokens, T target tokens, D hiddenSize, V vocabSize.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { add, mul } from "../graph/ops/core.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Embedding } from "../nn/embedding.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import type { NameMap } from "../weights/names.ts";
import { activationName, rate, size } from "./config.ts";
import type { DecoderStep, GenerativeModel } from "./generative.ts";
import { requiredInput } from "./inputs.ts";
import type { Inputs, Outputs } from "./model.ts";
import { decoderInputs, targetOutputs, wholePlaces, wholeStep } from "./sequence-to-sequence.ts";
import {
  type AttendOptions,
  type LayerConfig,
  runDecoder,
  runEncoder,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
} from "./transformer-layers.ts";
import { type Places, type PositionName, type PositionPart, positionParts } from "./transformer-positions.ts";

const layerCount = z.number().int().min(0).max(1000);
const tokenId = z.number().int().min(0);

export const transformerConfigSchema = z.object({
  vocabSize: size.default(37000),
  hiddenSize: size.default(512),
  encoderLayers: layerCount.default(6),
  decoderLayers: layerCount.default(6),
  numAttentionHeads: size.default(8),
  intermediateSize: size.default(2048),
  hiddenAct: activationName.default("relu"),
  layerNormEps: z.number().positive().default(1e-5),
  normFirst: z.boolean().default(false), // norms before the blocks instead of after them
  positions: z.enum(Object.keys(positionParts) as [PositionName, ...PositionName[]]).default("sinusoidal"),
  maxPositionEmbeddings: size.default(512),
  shareEmbeddings: z.boolean().default(true), // of source and target
  tieWordEmbeddings: z.boolean().default(true), // of the target and the output layer
  scaleEmbedding: z.boolean().default(true), // embeddings times √D
  dropout: rate.default(0.1),
  attentionDropout: rate.default(0),
  activationDropout: rate.default(0),
  labelSmoothing: rate.default(0.1),
  initializerRange: z.number().positive().nullish(), // standard deviation of first values; default 1/√D
  padTokenId: tokenId.default(0),
  decoderStartTokenId: tokenId.default(0),
  eosTokenId: tokenId.nullish(),
});

export type TransformerConfig = z.infer<typeof transformerConfigSchema>;

/** Named sizes, as the fields of `config.json` that differ from the defaults: Table 3 of the paper. */
export const transformerConfigs = {
  "transformer-base": {},
  "transformer-big": { hidden_size: 1024, num_attention_heads: 16, intermediate_size: 4096, dropout: 0.3 },
} satisfies Record<string, Record<string, number>>;

/** Layers of a stack and its last norm. */
export interface StackConfig extends LayerConfig {
  readonly encoderLayers: number;
  readonly decoderLayers: number;
}

/** Encoder and decoder on embedded tokens; each ends in a norm. */
export class TransformerStacks {
  readonly encoder: readonly TransformerEncoderLayer[];
  readonly encoderNorm: LayerNorm;
  readonly decoder: readonly TransformerDecoderLayer[];
  readonly decoderNorm: LayerNorm;

  constructor(init: Init, config: StackConfig) {
    const { encoderLayers, decoderLayers, hiddenSize, epsilon } = config;
    this.encoder = Array.from({ length: encoderLayers }, () => new TransformerEncoderLayer(init, config));
    this.encoderNorm = new LayerNorm(init, hiddenSize, epsilon);
    this.decoder = Array.from({ length: decoderLayers }, () => new TransformerDecoderLayer(init, config));
    this.decoderNorm = new LayerNorm(init, hiddenSize, epsilon);
  }

  /** [B, S, D] → [B, S, D]. */
  encode(ctx: Context, embedded: Node, self: AttendOptions): Node {
    return this.encoderNorm.forward(runEncoder(ctx, this.encoder, embedded, self));
  }

  /** [B, T, D] and the encoder's output [B, S, D] → [B, T, D]. */
  decode(ctx: Context, embedded: Node, source: Node, self: AttendOptions, cross: AttendOptions): Node {
    return this.decoderNorm.forward(runDecoder(ctx, this.decoder, embedded, source, self, cross));
  }
}

const stackConfig = (config: TransformerConfig): StackConfig => ({
  ...config,
  numHeads: config.numAttentionHeads,
  innerSize: config.intermediateSize,
  activation: config.hiddenAct,
  epsilon: config.layerNormEps,
});

/** Word vectors of one side, with its positions. */
class SideEmbedding {
  readonly positions: PositionPart;

  constructor(
    init: Init,
    private readonly config: TransformerConfig,
    readonly words: Embedding,
    isEncoder: boolean,
  ) {
    const { hiddenSize, numAttentionHeads: numHeads, maxPositionEmbeddings: maxLength } = config;
    const headSize = hiddenSize / numHeads;
    const setup = { init, hiddenSize, headSize, numHeads, maxLength, isEncoder };
    this.positions = positionParts[config.positions](setup);
  }

  /** ids [B, T] → [B, T, D]. */
  forward(ctx: Context, ids: Node, places: Places): Node {
    const { scaleEmbedding, hiddenSize, dropout } = this.config;
    const words = this.words.forward(ids);
    const scaled = scaleEmbedding ? mul(words, Math.sqrt(hiddenSize)) : words;
    const placed = this.positions.embed ? add(scaled, this.positions.embed(places)) : scaled;
    return ctx.dropout(placed, dropout);
  }

  /** What self-attention gets, the part's own bias with `bias`. */
  attend(places: Places, bias?: Node): AttendOptions {
    const { positions, bias: own } = this.positions.attend?.(places) ?? {};
    return { positions, bias: own && bias ? add(own, bias) : (own ?? bias) };
  }
}

/** The Transformer as a conditional language model: from source tokens to target tokens. */
export class TransformerForConditionalGeneration implements GenerativeModel {
  readonly source: SideEmbedding;
  readonly target: SideEmbedding;
  readonly stacks: TransformerStacks;
  readonly head: Linear | undefined;
  readonly maxLength: number;

  constructor(
    init: Init,
    private readonly config: TransformerConfig,
  ) {
    const { vocabSize, hiddenSize, shareEmbeddings, tieWordEmbeddings } = config;
    const words = new Embedding(init, vocabSize, hiddenSize);
    this.source = new SideEmbedding(init, config, words, true);
    const targetWords = shareEmbeddings ? words : new Embedding(init, vocabSize, hiddenSize);
    this.target = new SideEmbedding(init, config, targetWords, false);
    this.stacks = new TransformerStacks(init, stackConfig(config));
    this.head = tieWordEmbeddings ? undefined : new Linear(init, hiddenSize, vocabSize, false);
    this.maxLength = config.maxPositionEmbeddings;
  }

  /** `input_ids`, `attention_mask` [B, S]; `decoder_input_ids` or `labels` [B, T] (−100: not asked). */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const { decoderStartTokenId: startId, padTokenId: padId, labelSmoothing } = this.config;
    const ids = decoderInputs("Transformer", inputs, { startId, padId });
    const source = this.encode(ctx, inputs);
    const logits = this.logits(this.decode(ctx, wholeStep(ids, source, inputs)));
    const outputs = targetOutputs(ctx, logits, inputs.labels, labelSmoothing);
    return { ...outputs, logits, encoder_last_hidden_state: source };
  }

  encode(ctx: Context, inputs: Inputs): Node {
    const ids = requiredInput(inputs, "input_ids", "Transformer");
    const places = wholePlaces(ids.shape[1]!);
    const embedded = this.source.forward(ctx, ids, places);
    const bias = inputs.attention_mask && paddingBias(inputs.attention_mask, embedded.dtype);
    return this.stacks.encode(ctx, embedded, this.source.attend(places, bias));
  }

  decode(ctx: Context, { ids, bias, source, sourceBias, ...places }: DecoderStep): Node {
    const embedded = this.target.forward(ctx, ids, places);
    return this.stacks.decode(ctx, embedded, source!, this.target.attend(places, bias), { bias: sourceBias });
  }

  logits(hidden: Node): Node {
    if (this.head) return this.head.forward(hidden);
    return matmul(hidden, this.target.words.weight, { transB: true });
  }
}

/** Ours → stored. */
export const transformerNames: NameMap = {
  "source.words": "encoder.embed_tokens",
  "source.positions.table": "encoder.positions",
  "target.words": "decoder.embed_tokens",
  "target.positions.table": "decoder.positions",
  "stacks.encoder.{i}": "encoder.layers.{i}",
  "stacks.encoderNorm": "encoder.norm",
  "stacks.decoder.{i}": "decoder.layers.{i}",
  "stacks.decoderNorm": "decoder.norm",
  head: "lm_head",
};
