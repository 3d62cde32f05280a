/**
 * GPT-2: a causal Transformer decoder, pre-norm.
 * Radford et al. 2019, https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
 * B batch, T tokens, S keys, D nEmbd, H heads, V vocabulary, C labels.
 */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { activations } from "../graph/ops/activation.ts";
import { add, dimValue, mul, sub, sum } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { flattenRows, matmul } from "../graph/ops/matmul.ts";
import { cast, notEqual } from "../graph/ops/select.ts";
import { iota, split } from "../graph/ops/shape.ts";
import {
  causalBias,
  joinHeads,
  keyValuesOf,
  paddingBias,
  scaledDotProductAttention,
  splitHeads,
} from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Embedding } from "../nn/embedding.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { LearnedPositions } from "../nn/positions.ts";
import type { Dim } from "../tensor/dims.ts";
import type { NameMap } from "../weights/names.ts";
import { activationName, id2label, problemType, rate, size } from "./config.ts";
import type { DecoderStep, GenerativeModel } from "./generative.ts";
import { classOutputs, nextTokens, tokenLossOutputs, tokenOutputs } from "./heads.ts";
import type { Inputs, Model, Outputs } from "./model.ts";

export const gpt2ConfigSchema = z.object({
  vocabSize: size.default(50257),
  nPositions: size.default(1024),
  nEmbd: size.default(768),
  nLayer: z.number().int().min(0).max(1000).default(12),
  nHead: size.default(12),
  nInner: size.nullish(), // default 4 nEmbd
  activationFunction: activationName.default("gelu_new"),
  residPdrop: rate.default(0.1),
  embdPdrop: rate.default(0.1),
  attnPdrop: rate.default(0.1),
  layerNormEpsilon: z.number().positive().default(1e-5),
  initializerRange: z.number().positive().default(0.02),
  scaleAttnWeights: z.boolean().default(true),
  scaleAttnByInverseLayerIdx: z.boolean().default(false),
  reorderAndUpcastAttn: z.boolean().default(false), // about float16 only: the same in float32
  addCrossAttention: z.literal(false, "cross-attention is not supported").default(false),
  tieWordEmbeddings: z.boolean().default(true),
  padTokenId: z.number().int().nullish(),
  classifierDropout: rate.nullish(),
  id2label,
  problemType,
});

export type Gpt2Config = z.infer<typeof gpt2ConfigSchema>;

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const gpt2Configs = {
  gpt2: {},
  "gpt2-medium": { n_embd: 1024, n_layer: 24, n_head: 16 },
  "gpt2-large": { n_embd: 1280, n_layer: 36, n_head: 20 },
  "gpt2-xl": { n_embd: 1600, n_layer: 48, n_head: 25 },
  distilgpt2: { n_layer: 6 },
} satisfies Record<string, Record<string, number>>;

/** x W + b. The weight is stored [in, out], as in published checkpoints. */
class Projection {
  readonly weight: Node;
  readonly bias: Node;

  constructor(init: Init, inSize: number, outSize: number, std?: number) {
    this.weight = init.normal([inSize, outSize], std);
    this.bias = init.zeros([outSize]);
  }

  /** x [..., in] → [..., out]. */
  forward(x: Node): Node {
    return add(matmul(x, this.weight), this.bias);
  }
}

/** What a block adds to its input starts smaller, the more blocks there are. */
const residualStd = ({ initializerRange, nLayer }: Gpt2Config): number =>
  initializerRange / Math.sqrt(2 * Math.max(1, nLayer));

/** Self-attention with one projection for queries, keys and values. */
class Gpt2Attention {
  readonly joined: Projection;
  readonly output: Projection;

  /** @throws ConfigError unless the heads divide the width. */
  constructor(
    init: Init,
    private readonly config: Gpt2Config,
    private readonly layer: number,
  ) {
    const { nEmbd, nHead } = config;
    if (nEmbd % nHead !== 0) {
      throw new ConfigError(`GPT-2: n_embd ${nEmbd} must be a multiple of n_head ${nHead}`);
    }
    this.joined = new Projection(init, nEmbd, 3 * nEmbd);
    this.output = new Projection(init, nEmbd, nEmbd, residualStd(config));
  }

  /** x [B, T, D], bias broadcasts to [B, H, T, S] → [B, T, D]. */
  forward(ctx: Context, x: Node, bias: Node): Node {
    const { nEmbd, nHead, attnPdrop: dropout } = this.config;
    const [query, key, value] = split(this.joined.forward(x), -1, [nEmbd, nEmbd, nEmbd]).map((part) =>
      splitHeads(part, nHead),
    ) as [Node, Node, Node];
    const parts = keyValuesOf(ctx, { key, value }, `layers.${this.layer}`, false);
    const captureAs = `attentions.${this.layer}`;
    const options = { bias, dropout, captureAs, scale: this.scale() };
    return this.output.forward(joinHeads(scaledDotProductAttention(ctx, query, parts, options)));
  }

  private scale(): number {
    const { nEmbd, nHead, scaleAttnWeights, scaleAttnByInverseLayerIdx } = this.config;
    const byWidth = scaleAttnWeights ? 1 / Math.sqrt(nEmbd / nHead) : 1;
    return scaleAttnByInverseLayerIdx ? byWidth / (this.layer + 1) : byWidth;
  }
}

/** Attention and feed-forward, each behind a norm and inside a skip connection. */
class Gpt2Block {
  readonly attentionNorm: LayerNorm;
  readonly attention: Gpt2Attention;
  readonly feedForwardNorm: LayerNorm;
  readonly up: Projection;
  readonly down: Projection;

  constructor(
    init: Init,
    private readonly config: Gpt2Config,
    layer: number,
  ) {
    const { nEmbd, nInner, layerNormEpsilon } = config;
    const innerSize = nInner ?? 4 * nEmbd;
    this.attentionNorm = new LayerNorm(init, nEmbd, layerNormEpsilon);
    this.attention = new Gpt2Attention(init, config, layer);
    this.feedForwardNorm = new LayerNorm(init, nEmbd, layerNormEpsilon);
    this.up = new Projection(init, nEmbd, innerSize);
    this.down = new Projection(init, innerSize, nEmbd, residualStd(config));
  }

  /** x [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, bias: Node): Node {
    const { residPdrop, activationFunction } = this.config;
    const attended = this.attention.forward(ctx, this.attentionNorm.forward(x), bias);
    const hidden = add(ctx.dropout(attended, residPdrop), x);
    const inner = activations[activationFunction](this.up.forward(this.feedForwardNorm.forward(hidden)));
    return add(hidden, ctx.dropout(this.down.forward(inner), residPdrop));
  }
}

interface Gpt2Inputs {
  /** int64 [B, T]. */
  readonly ids: Node;
  /** int64 [B, T]; from 0 by default. */
  readonly positions?: Node | undefined;
  /** Looked up among the word vectors and added: int64 [B, T]. */
  readonly tokenTypes?: Node | undefined;
  /** Broadcasts to [B, H, T, S]. */
  readonly bias: Node;
  /** What stands before each block: hidden states [B, T, D] and the block's number → hidden states. */
  readonly before?: (hidden: Node, at: number) => Node;
}

/** Embeddings, blocks and the last norm, without a head. */
export class Gpt2 {
  readonly word: Embedding;
  readonly position: LearnedPositions;
  readonly blocks: readonly Gpt2Block[];
  readonly norm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: Gpt2Config,
  ) {
    const { vocabSize, nPositions, nEmbd, nLayer, layerNormEpsilon } = config;
    this.word = new Embedding(init, vocabSize, nEmbd);
    this.position = new LearnedPositions(init, nPositions, nEmbd);
    this.blocks = Array.from({ length: nLayer }, (_, layer) => new Gpt2Block(init, config, layer));
    this.norm = new LayerNorm(init, nEmbd, layerNormEpsilon);
  }

  /** → [B, T, D]. Captures `hidden_states.N` (0: the embeddings, the last one: after the norm) and `attentions.N`. */
  run(ctx: Context, { ids, positions, tokenTypes, bias, before = (hidden) => hidden }: Gpt2Inputs): Node {
    const position = positions ? this.position.at(positions) : this.position.forward(ids.shape[1]!);
    const placed = add(this.word.forward(ids), position);
    const embedded = tokenTypes ? add(placed, this.word.forward(tokenTypes)) : placed;
    let hidden = ctx.dropout(embedded, this.config.embdPdrop);
    this.blocks.forEach((block, at) => {
      hidden = block.forward(ctx, before(ctx.capture(`hidden_states.${at}`, hidden), at), bias);
    });
    return ctx.capture(`hidden_states.${this.blocks.length}`, this.norm.forward(hidden));
  }

  /** The whole pass over `input_ids`; `attention_mask`, `position_ids` and `token_type_ids` may be there too. */
  forward(ctx: Context, inputs: Inputs): Node {
    const { input_ids: ids, attention_mask, position_ids: positions, token_type_ids: tokenTypes } = inputs;
    if (!ids) throw new ConfigError('GPT-2: the input "input_ids" is missing');
    const { dtype } = this.word.weight;
    const causal = causalBias(ids.shape[1]!, ids.shape[1]!, dtype);
    const bias = attention_mask ? add(paddingBias(attention_mask, dtype), causal) : causal;
    return this.run(ctx, { ids, positions, tokenTypes, bias });
  }
}

/** The decoder without a head. */
export class Gpt2Model implements Model {
  readonly transformer: Gpt2;

  constructor(init: Init, config: Gpt2Config) {
    this.transformer = new Gpt2(init, config);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    return { last_hidden_state: this.transformer.forward(ctx, inputs) };
  }
}

/** The language model. Its head is the word vectors, unless the config says otherwise. */
export class Gpt2LMHeadModel implements GenerativeModel {
  readonly transformer: Gpt2;
  readonly head: Linear | undefined;
  readonly maxLength: number;

  constructor(init: Init, { tieWordEmbeddings, nEmbd, vocabSize, ...config }: Gpt2Config) {
    this.transformer = new Gpt2(init, { tieWordEmbeddings, nEmbd, vocabSize, ...config });
    this.head = tieWordEmbeddings ? undefined : new Linear(init, nEmbd, vocabSize, false);
    this.maxLength = config.nPositions;
  }

  /** `labels` [B, T] are the ids themselves (−100: not asked); token t is compared with what follows position t − 1. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const logits = this.logits(this.transformer.forward(ctx, inputs));
    return { ...tokenLossOutputs(logits, inputs.labels && nextTokens(inputs.labels)), logits };
  }

  decode(ctx: Context, { ids, positions, bias }: DecoderStep): Node {
    return this.transformer.run(ctx, { ids, positions, bias });
  }

  logits(hidden: Node): Node {
    if (this.head) return this.head.forward(hidden);
    return matmul(hidden, this.transformer.word.weight, { transB: true });
  }
}

/** One label, several labels or a number for a whole text, read off its last token. */
export class Gpt2ForSequenceClassification implements Model {
  readonly transformer: Gpt2;
  readonly score: Linear;

  constructor(
    init: Init,
    private readonly config: Gpt2Config,
  ) {
    this.transformer = new Gpt2(init, config);
    this.score = new Linear(init, config.nEmbd, config.id2label.length, false);
  }

  /** `labels`: int64 [B], or float [B] or [B, C] for regression and multi-label problems. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = this.transformer.forward(ctx, inputs);
    const logits = this.score.forward(gather(flattenRows(hidden), this.lastTokens(inputs)));
    return classOutputs(logits, inputs, this.config.problemType);
  }

  /** Where each row's last token is, among those of all rows; padding stands behind it. int64 [B]. */
  private lastTokens({ input_ids, attention_mask }: Inputs): Node {
    const ids = input_ids!;
    const [batch, length] = ids.shape as [Dim, Dim];
    const { padTokenId } = this.config;
    const isText = padTokenId == null ? attention_mask : cast(notEqual(ids, padTokenId), "int64");
    const count = isText ? sum(isText, 1) : dimValue("int64", length);
    return add(mul(iota(batch), dimValue("int64", length)), sub(count, 1));
  }
}

/** A label for every token. */
export class Gpt2ForTokenClassification implements Model {
  readonly transformer: Gpt2;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: Gpt2Config,
  ) {
    this.transformer = new Gpt2(init, config);
    this.classifier = new Linear(init, config.nEmbd, config.id2label.length);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = ctx.dropout(this.transformer.forward(ctx, inputs), this.config.classifierDropout ?? 0.1);
    const logits = this.classifier.forward(hidden);
    return tokenOutputs(logits, inputs);
  }
}

/** Ours → Hugging Face, for every GPT-2 class; a bare `GPT2Model` leaves out the prefix `transformer.`. */
export const gpt2Names: NameMap = {
  "transformer.word": "transformer.wte",
  "transformer.position": "transformer.wpe",
  "transformer.blocks.{i}.attentionNorm": "transformer.h.{i}.ln_1",
  "transformer.blocks.{i}.attention.joined": "transformer.h.{i}.attn.c_attn",
  "transformer.blocks.{i}.attention.output": "transformer.h.{i}.attn.c_proj",
  "transformer.blocks.{i}.feedForwardNorm": "transformer.h.{i}.ln_2",
  "transformer.blocks.{i}.up": "transformer.h.{i}.mlp.c_fc",
  "transformer.blocks.{i}.down": "transformer.h.{i}.mlp.c_proj",
  "transformer.norm": "transformer.ln_f",
  head: "lm_head",
  score: "score",
  classifier: "classifier",
};
