/**
 * T5: every task as text to text, with an encoder–decoder whose positions are buckets of distances.
 * Raffel et al. 2020, https://arxiv.org/abs/1910.10683; v1.1: Shazeer 2020, https://arxiv.org/abs/2002.05202
 * B batch, S source tokens, T target tokens, D dModel, V vocabulary.
 */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { activations } from "../graph/ops/activation.ts";
import { add, mul } from "../graph/ops/core.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Embedding } from "../nn/embedding.ts";
import { Linear } from "../nn/linear.ts";
import { Init } from "../nn/module.ts";
import { RmsNorm } from "../nn/norm.ts";
import { RelativeBias } from "../nn/t5-bias.ts";
import type { NameMap } from "../weights/names.ts";
import { activationName, rate, size } from "./config.ts";
import type { DecoderStep, GenerativeModel } from "./generative.ts";
import { requiredInput } from "./inputs.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { decoderInputs, targetOutputs, wholePlaces, wholeStep } from "./sequence-to-sequence.ts";
import { T5Block, type T5LayerConfig } from "./t5-layers.ts";

const layerCount = z.number().int().min(0).max(1000);
const tokenId = z.number().int().min(0);

export const t5ConfigSchema = z.object({
  vocabSize: size.default(32128),
  dModel: size.default(512),
  dKv: size.default(64),
  dFf: size.default(2048),
  numLayers: layerCount.default(6),
  numDecoderLayers: layerCount.nullish(), // default numLayers
  numHeads: size.default(8),
  relativeAttentionNumBuckets: size.default(32),
  relativeAttentionMaxDistance: size.default(128),
  dropoutRate: rate.default(0.1),
  layerNormEpsilon: z.number().positive().default(1e-6),
  initializerFactor: z.number().positive().default(1),
  feedForwardProj: z.string().default("relu"), // an activation, "gated-" before it where a second linear multiplies it
  denseActFn: activationName.nullish(), // default: as feedForwardProj says
  isGatedAct: z.boolean().nullish(), // default: as feedForwardProj says
  tieWordEmbeddings: z.boolean().default(true),
  padTokenId: tokenId.default(0),
  decoderStartTokenId: tokenId.default(0),
});

export type T5Config = z.infer<typeof t5ConfigSchema>;

const v11 = { feed_forward_proj: "gated-gelu", tie_word_embeddings: false };

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const t5Configs = {
  "t5-small": {},
  "t5-base": { d_model: 768, d_ff: 3072, num_layers: 12, num_heads: 12 },
  "t5-large": { d_model: 1024, d_ff: 4096, num_layers: 24, num_heads: 16 },
  "t5-v1_1-small": { ...v11, d_ff: 1024, num_layers: 8, num_heads: 6 },
  "t5-v1_1-base": { ...v11, d_model: 768, num_layers: 12, num_heads: 12 },
} satisfies Record<string, Record<string, number | string | boolean>>;

/** @throws ConfigError when `feed_forward_proj` names no activation. */
function layerConfig(config: T5Config): T5LayerConfig {
  const { feedForwardProj, denseActFn, isGatedAct } = config;
  const isGated = isGatedAct ?? feedForwardProj.startsWith("gated-");
  const name = feedForwardProj.replace(/^gated-/, "");
  // "gated-gelu" has always meant the tanh approximation.
  const parsed = activationName.safeParse(feedForwardProj === "gated-gelu" ? "gelu_new" : name);
  const activation = denseActFn ?? parsed.data;
  if (activation) return { ...config, activation, isGated };
  throw new ConfigError(
    `T5: feed_forward_proj must be one of ${Object.keys(activations).join(", ")}, or gated- and one of them, got "${feedForwardProj}"`,
  );
}

/** Blocks with one table of distances for all of them, and a last norm. */
class T5Stack {
  readonly blocks: readonly T5Block[];
  readonly distanceBias: RelativeBias;
  readonly norm: RmsNorm;

  constructor(
    init: Init,
    private readonly config: T5Config,
    private readonly isDecoder: boolean,
  ) {
    const { numLayers, numDecoderLayers, numHeads, dModel, layerNormEpsilon } = config;
    const count = isDecoder ? (numDecoderLayers ?? numLayers) : numLayers;
    const layer = layerConfig(config);
    this.blocks = Array.from({ length: count }, () => new T5Block(init, layer, isDecoder));
    this.distanceBias = new RelativeBias(new Init(init.std / Math.sqrt(dModel), init.dtype), numHeads, {
      bidirectional: !isDecoder,
      numBuckets: config.relativeAttentionNumBuckets,
      maxDistance: config.relativeAttentionMaxDistance,
    });
    this.norm = new RmsNorm(init, dModel, layerNormEpsilon);
  }

  /**
   * Embedded tokens [B, T, D] → [B, T, D]. Captures, behind `prefix`, `hidden_states.N` (0: the embeddings, the last
   * one: after the norm) and `attentions.N`.
   */
  run(ctx: Context, embedded: Node, prefix: string, { distances, bias, source, sourceBias }: T5Pass): Node {
    const { dropoutRate } = this.config;
    const ofDistances = this.distanceBias.forward(distances);
    const selfBias = bias ? add(ofDistances, bias) : ofDistances;
    let hidden = ctx.dropout(embedded, dropoutRate);
    this.blocks.forEach((block, at) => {
      ctx.capture(`${prefix}hidden_states.${at}`, hidden);
      const self = { bias: selfBias, captureAs: `${prefix}attentions.${at}`, cacheAs: `${at}.self` };
      const cross = { bias: sourceBias, source, captureAs: `cross_attentions.${at}`, cacheAs: `${at}.cross` };
      hidden = block.forward(ctx, hidden, self, this.isDecoder ? cross : undefined);
    });
    const output = ctx.dropout(this.norm.forward(hidden), dropoutRate);
    return ctx.capture(`${prefix}hidden_states.${this.blocks.length}`, output);
  }
}

type T5Pass = Pick<DecoderStep, "distances" | "source" | "sourceBias"> & { readonly bias?: Node | undefined };

/** Embeds the source and runs the encoder's blocks. `input_ids` and `attention_mask` [B, S] → [B, S, D]. */
function encodeSource(ctx: Context, words: Embedding, stack: T5Stack, inputs: Inputs, prefix: string): Node {
  const ids = requiredInput(inputs, "input_ids", "T5");
  const embedded = words.forward(ids);
  const bias = inputs.attention_mask && paddingBias(inputs.attention_mask, embedded.dtype);
  const { distances } = wholePlaces(ids.shape[1]!);
  return stack.run(ctx, embedded, prefix, { distances, bias });
}

/** The encoder alone. */
export class T5EncoderModel implements Model {
  readonly shared: Embedding;
  readonly encoder: T5Stack;

  constructor(init: Init, config: T5Config) {
    this.shared = new Embedding(init, config.vocabSize, config.dModel);
    this.encoder = new T5Stack(init, config, false);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    return { last_hidden_state: encodeSource(ctx, this.shared, this.encoder, inputs, "") };
  }
}

/** Text to text. */
export class T5ForConditionalGeneration implements GenerativeModel {
  readonly shared: Embedding;
  readonly encoder: T5Stack;
  readonly decoder: T5Stack;
  readonly head: Linear | undefined;

  constructor(
    init: Init,
    private readonly config: T5Config,
  ) {
    const { vocabSize, dModel, tieWordEmbeddings } = config;
    this.shared = new Embedding(init, vocabSize, dModel);
    this.encoder = new T5Stack(init, config, false);
    this.decoder = new T5Stack(init, config, true);
    this.head = tieWordEmbeddings ? undefined : new Linear(init, dModel, vocabSize, false);
  }

  /** `input_ids`, `attention_mask` [B, S]; `decoder_input_ids` or `labels` [B, T] (−100: not asked). */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const { decoderStartTokenId: startId, padTokenId: padId } = this.config;
    const ids = decoderInputs("T5", inputs, { startId, padId });
    const source = this.encode(ctx, inputs);
    const logits = this.logits(this.decode(ctx, wholeStep(ids, source, inputs)));
    return { ...targetOutputs(ctx, logits, inputs.labels), logits, encoder_last_hidden_state: source };
  }

  encode(ctx: Context, inputs: Inputs): Node {
    return encodeSource(ctx, this.shared, this.encoder, inputs, "encoder_");
  }

  decode(ctx: Context, { ids, ...pass }: DecoderStep): Node {
    return this.decoder.run(ctx, this.shared.forward(ids), "decoder_", pass);
  }

  /** Tied to the embeddings, whose vectors are √D times longer than those of a layer, hidden states are scaled down. */
  logits(hidden: Node): Node {
    if (this.head) return this.head.forward(hidden);
    return matmul(mul(hidden, this.config.dModel ** -0.5), this.shared.weight, { transB: true });
  }
}

const blockNames = (stack: "encoder" | "decoder", feedForwardAt: number): NameMap => ({
  [`${stack}.distanceBias`]: `${stack}.block.0.layer.0.SelfAttention.relative_attention_bias`,
  [`${stack}.blocks.{i}.selfNorm`]: `${stack}.block.{i}.layer.0.layer_norm`,
  [`${stack}.blocks.{i}.selfAttention.query`]: `${stack}.block.{i}.layer.0.SelfAttention.q`,
  [`${stack}.blocks.{i}.selfAttention.key`]: `${stack}.block.{i}.layer.0.SelfAttention.k`,
  [`${stack}.blocks.{i}.selfAttention.value`]: `${stack}.block.{i}.layer.0.SelfAttention.v`,
  [`${stack}.blocks.{i}.selfAttention.output`]: `${stack}.block.{i}.layer.0.SelfAttention.o`,
  [`${stack}.blocks.{i}.feedForwardNorm`]: `${stack}.block.{i}.layer.${feedForwardAt}.layer_norm`,
  [`${stack}.blocks.{i}.feedForward.up`]: `${stack}.block.{i}.layer.${feedForwardAt}.DenseReluDense.wi`,
  [`${stack}.blocks.{i}.feedForward.gate`]: `${stack}.block.{i}.layer.${feedForwardAt}.DenseReluDense.wi_0`,
  [`${stack}.blocks.{i}.feedForward.linear`]: `${stack}.block.{i}.layer.${feedForwardAt}.DenseReluDense.wi_1`,
  [`${stack}.blocks.{i}.feedForward.down`]: `${stack}.block.{i}.layer.${feedForwardAt}.DenseReluDense.wo`,
  [`${stack}.norm`]: `${stack}.final_layer_norm`,
});

/** Ours → Hugging Face. */
export const t5Names: NameMap = {
  shared: "shared",
  ...blockNames("encoder", 1),
  ...blockNames("decoder", 2),
  "decoder.blocks.{i}.crossNorm": "decoder.block.{i}.layer.1.layer_norm",
  "decoder.blocks.{i}.crossAttention.query": "decoder.block.{i}.layer.1.EncDecAttention.q",
  "decoder.blocks.{i}.crossAttention.key": "decoder.block.{i}.layer.1.EncDecAttention.k",
  "decoder.blocks.{i}.crossAttention.value": "decoder.block.{i}.layer.1.EncDecAttention.v",
  "decoder.blocks.{i}.crossAttention.output": "decoder.block.{i}.layer.1.EncDecAttention.o",
  head: "lm_head",
};
