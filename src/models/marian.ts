/**
 * Marian: the Transformer of 2017 as the translation models of Helsinki-NLP use it, post-norm and with sinusoids.
 * Junczys-Dowmunt et al. 2018, https://arxiv.org/abs/1804.00344; Tiedemann & Thottingal 2020 (OPUS-MT).
 * B batch, S source tokens, T target tokens, D dModel, V vocabulary of the target.
 */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add, mul, reshape } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Embedding } from "../nn/embedding.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { sinusoids } from "../nn/positions.ts";
import type { NameMap } from "../weights/names.ts";
import { activationName, rate, size } from "./config.ts";
import type { DecoderStep, GenerativeModel } from "./generative.ts";
import { requiredInput } from "./inputs.ts";
import type { Inputs, Outputs } from "./model.ts";
import {
  decoderInputs,
  targetOutputs,
  wholePlaces,
  wholeStep,
  withoutToken,
} from "./sequence-to-sequence.ts";
import {
  type LayerConfig,
  runDecoder,
  runEncoder,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
} from "./transformer-layers.ts";

const layerCount = z.number().int().min(0).max(1000);
const tokenId = z.number().int().min(0);
const off = (name: string) => z.literal(false, `${name} is not supported`).default(false);

export const marianConfigSchema = z.object({
  vocabSize: size.default(58101),
  decoderVocabSize: size.nullish(), // where embeddings are not shared; default vocabSize
  dModel: size.default(1024),
  encoderLayers: layerCount.default(12),
  encoderAttentionHeads: size.default(16),
  encoderFfnDim: size.default(4096),
  decoderLayers: layerCount.default(12),
  decoderAttentionHeads: size.default(16),
  decoderFfnDim: size.default(4096),
  activationFunction: activationName.default("gelu"),
  dropout: rate.default(0.1),
  attentionDropout: rate.default(0),
  activationDropout: rate.default(0),
  encoderLayerdrop: rate.default(0),
  decoderLayerdrop: rate.default(0),
  initStd: z.number().positive().default(0.02),
  maxPositionEmbeddings: size.default(1024),
  scaleEmbedding: z.boolean().default(false), // embeddings times √D
  shareEncoderDecoderEmbeddings: z.boolean().default(true),
  tieWordEmbeddings: z.boolean().default(true), // of the target and the output layer
  padTokenId: tokenId.default(58100),
  decoderStartTokenId: tokenId.default(58100),
  normalizeBefore: off("normalize_before"),
  normalizeEmbedding: off("normalize_embedding"),
  addFinalLayerNorm: off("add_final_layer_norm"),
});

export type MarianConfig = z.infer<typeof marianConfigSchema>;

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const marianConfigs = {
  "opus-mt-de-en": {
    d_model: 512,
    encoder_layers: 6,
    encoder_attention_heads: 8,
    encoder_ffn_dim: 2048,
    decoder_layers: 6,
    decoder_attention_heads: 8,
    decoder_ffn_dim: 2048,
    activation_function: "swish",
    max_position_embeddings: 512,
    scale_embedding: true,
  },
} satisfies Record<string, Record<string, number | string | boolean>>;

/** Norms are those of PyTorch's default, which no config names. */
const epsilon = 1e-5;

const layerConfig = (config: MarianConfig, numHeads: number, innerSize: number): LayerConfig => ({
  ...config,
  hiddenSize: config.dModel,
  numHeads,
  innerSize,
  activation: config.activationFunction,
  epsilon,
  normFirst: false,
});

/** Encoder and decoder with their embeddings, without the output layer. */
export class Marian {
  readonly shared: Embedding | undefined;
  readonly sourceWords: Embedding;
  readonly targetWords: Embedding;
  readonly encoder: readonly TransformerEncoderLayer[];
  readonly decoder: readonly TransformerDecoderLayer[];
  private readonly positions: Node;

  constructor(
    init: Init,
    private readonly config: MarianConfig,
  ) {
    const { dModel, vocabSize, padTokenId, maxPositionEmbeddings, ...sizes } = config;
    const words = (count: number): Embedding => new Embedding(init, count, dModel, padTokenId);
    this.shared = config.shareEncoderDecoderEmbeddings ? words(vocabSize) : undefined;
    this.sourceWords = this.shared ?? words(vocabSize);
    this.targetWords = this.shared ?? words(targetVocabulary(config));
    const encoderConfig = layerConfig(config, sizes.encoderAttentionHeads, sizes.encoderFfnDim);
    const decoderConfig = layerConfig(config, sizes.decoderAttentionHeads, sizes.decoderFfnDim);
    this.encoder = Array.from(
      { length: sizes.encoderLayers },
      () => new TransformerEncoderLayer(init, encoderConfig),
    );
    this.decoder = Array.from(
      { length: sizes.decoderLayers },
      () => new TransformerDecoderLayer(init, decoderConfig),
    );
    this.positions = sinusoids(maxPositionEmbeddings, dModel, "half-split", init.dtype);
  }

  /** `input_ids` and `attention_mask` [B, S] → [B, S, D]. */
  encode(ctx: Context, inputs: Inputs): Node {
    this.refuseLayerDrop(ctx);
    const ids = requiredInput(inputs, "input_ids", "Marian");
    const embedded = this.embed(ctx, this.sourceWords, ids, wholePlaces(ids.shape[1]!).positions);
    const bias = inputs.attention_mask && paddingBias(inputs.attention_mask, embedded.dtype);
    return runEncoder(ctx, this.encoder, embedded, { bias });
  }

  /** → [B, T, D]. */
  decode(ctx: Context, { ids, positions, bias, source, sourceBias }: DecoderStep): Node {
    const embedded = this.embed(ctx, this.targetWords, ids, positions);
    return runDecoder(ctx, this.decoder, embedded, source!, { bias }, { bias: sourceBias });
  }

  private embed(ctx: Context, words: Embedding, ids: Node, positions: Node): Node {
    const { scaleEmbedding, dModel, dropout } = this.config;
    const vectors = words.forward(ids);
    const scaled = scaleEmbedding ? mul(vectors, Math.sqrt(dModel)) : vectors;
    return ctx.dropout(add(scaled, gather(this.positions, positions)), dropout);
  }

  private refuseLayerDrop({ isTraining }: Context): void {
    const { encoderLayerdrop, decoderLayerdrop } = this.config;
    if (isTraining && encoderLayerdrop + decoderLayerdrop > 0) {
      throw new ConfigError(
        "Marian: whole layers are not dropped in training; set encoder_layerdrop and decoder_layerdrop to 0",
      );
    }
  }
}

/** The target has a vocabulary of its own only where it has embeddings of its own. */
const targetVocabulary = (config: MarianConfig): number =>
  config.shareEncoderDecoderEmbeddings ? config.vocabSize : (config.decoderVocabSize ?? config.vocabSize);

/** Marian with its output layer. */
export class MarianMTModel implements GenerativeModel {
  readonly model: Marian;
  readonly head: Linear | undefined;
  /** [1, V], kept with the weights but not trained. */
  readonly finalLogitsBias: Node;
  readonly maxLength: number;

  constructor(
    init: Init,
    private readonly config: MarianConfig,
  ) {
    const vocabulary = targetVocabulary(config);
    this.model = new Marian(init, config);
    this.head = config.tieWordEmbeddings ? undefined : new Linear(init, config.dModel, vocabulary, false);
    this.finalLogitsBias = init.state([1, vocabulary], 0);
    this.maxLength = config.maxPositionEmbeddings;
  }

  /** `input_ids`, `attention_mask` [B, S]; `decoder_input_ids` or `labels` [B, T] (−100: not asked). */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const { decoderStartTokenId: startId, padTokenId: padId } = this.config;
    const ids = decoderInputs("Marian", inputs, { startId, padId });
    const source = this.model.encode(ctx, inputs);
    const logits = this.scores(this.model.decode(ctx, wholeStep(ids, source, inputs)));
    return { ...targetOutputs(ctx, logits, inputs.labels), logits, encoder_last_hidden_state: source };
  }

  encode(ctx: Context, inputs: Inputs): Node {
    return this.model.encode(ctx, inputs);
  }

  decode(ctx: Context, step: DecoderStep): Node {
    return this.model.decode(ctx, step);
  }

  /** The padding, with which targets start, never follows. */
  logits(hidden: Node): Node {
    return withoutToken(this.scores(hidden), this.config.padTokenId);
  }

  private scores(hidden: Node): Node {
    const { weight } = this.head ?? this.model.targetWords;
    const bias = reshape(this.finalLogitsBias, [this.finalLogitsBias.shape[1]!]);
    return add(matmul(hidden, weight, { transB: true }), bias);
  }
}

/** Ours → Hugging Face. */
export const marianNames: NameMap = {
  "model.shared": "model.shared",
  "model.sourceWords": "model.encoder.embed_tokens",
  "model.targetWords": "model.decoder.embed_tokens",
  "model.encoder.{i}.selfAttention.query": "model.encoder.layers.{i}.self_attn.q_proj",
  "model.encoder.{i}.selfAttention.key": "model.encoder.layers.{i}.self_attn.k_proj",
  "model.encoder.{i}.selfAttention.value": "model.encoder.layers.{i}.self_attn.v_proj",
  "model.encoder.{i}.selfAttention.output": "model.encoder.layers.{i}.self_attn.out_proj",
  "model.encoder.{i}.selfNorm": "model.encoder.layers.{i}.self_attn_layer_norm",
  "model.encoder.{i}.feedForward.up": "model.encoder.layers.{i}.fc1",
  "model.encoder.{i}.feedForward.down": "model.encoder.layers.{i}.fc2",
  "model.encoder.{i}.outputNorm": "model.encoder.layers.{i}.final_layer_norm",
  "model.decoder.{i}.selfAttention.query": "model.decoder.layers.{i}.self_attn.q_proj",
  "model.decoder.{i}.selfAttention.key": "model.decoder.layers.{i}.self_attn.k_proj",
  "model.decoder.{i}.selfAttention.value": "model.decoder.layers.{i}.self_attn.v_proj",
  "model.decoder.{i}.selfAttention.output": "model.decoder.layers.{i}.self_attn.out_proj",
  "model.decoder.{i}.selfNorm": "model.decoder.layers.{i}.self_attn_layer_norm",
  "model.decoder.{i}.crossAttention.query": "model.decoder.layers.{i}.encoder_attn.q_proj",
  "model.decoder.{i}.crossAttention.key": "model.decoder.layers.{i}.encoder_attn.k_proj",
  "model.decoder.{i}.crossAttention.value": "model.decoder.layers.{i}.encoder_attn.v_proj",
  "model.decoder.{i}.crossAttention.output": "model.decoder.layers.{i}.encoder_attn.out_proj",
  "model.decoder.{i}.crossNorm": "model.decoder.layers.{i}.encoder_attn_layer_norm",
  "model.decoder.{i}.feedForward.up": "model.decoder.layers.{i}.fc1",
  "model.decoder.{i}.feedForward.down": "model.decoder.layers.{i}.fc2",
  "model.decoder.{i}.outputNorm": "model.decoder.layers.{i}.final_layer_norm",
  head: "lm_head",
  finalLogitsBias: "final_logits_bias",
};
