/**
 * RoFormer: BERT with rotary positions. Su et al. 2021, https://arxiv.org/abs/2104.09864
 * B batch, T tokens, E embeddingSize, D hiddenSize, V vocabSize, C labels.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { activations } from "../graph/ops/activation.ts";
import { add, reshape } from "../graph/ops/core.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { slice } from "../graph/ops/shape.ts";
import { type AttentionPositions, paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Embedding } from "../nn/embedding.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { rotaryPositions } from "../nn/positions-rotary.ts";
import type { NameMap } from "../weights/names.ts";
import { activationName, id2label, problemType, rate, size } from "./config.ts";
import { askedTokens, classOutputs, spanOutputs, tokenLossOutputs, tokenOutputs } from "./heads.ts";
import { choiceRows, requiredInput } from "./inputs.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { firstState, lastState, meanState } from "./token-states.ts";
import { TransformerEncoderLayer } from "./transformer-layers.ts";

const onlyEncoder = z.literal(false, "only encoders are supported").default(false);

export const roFormerConfigSchema = z.object({
  vocabSize: size.default(50000),
  /** Width of the embeddings, projected to `hiddenSize`, which is the default. */
  embeddingSize: size.nullish(),
  hiddenSize: size.default(768),
  numHiddenLayers: z.number().int().min(0).max(1000).default(12),
  numAttentionHeads: size.default(12),
  intermediateSize: size.default(3072),
  hiddenAct: activationName.default("gelu"),
  hiddenDropoutProb: rate.default(0.1),
  attentionProbsDropoutProb: rate.default(0.1),
  maxPositionEmbeddings: size.default(1536),
  typeVocabSize: size.default(2),
  layerNormEps: z.number().positive().default(1e-12),
  padTokenId: z.number().int().nullish().default(0),
  initializerRange: z.number().positive().default(0.02),
  /**
   * What the head of whole texts reads: the first token, as published checkpoints do, or the mean of all. Masked-LM
   * pretraining never uses the first token's state, so a model that learned nothing else does better with the mean.
   */
  classifierPooling: z.enum(["cls", "mean"]).default("cls"),
  /** Whether values are turned like queries and keys. */
  rotaryValue: z.boolean().default(false),
  isDecoder: onlyEncoder,
  addCrossAttention: onlyEncoder,
  tieWordEmbeddings: z.literal(true, "only a tied vocabulary is supported").default(true),
  id2label,
  problemType,
});

export type RoFormerConfig = z.infer<typeof roFormerConfigSchema>;

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const roFormerConfigs = {
  "roformer-chinese-base": {},
  "roformer-chinese-small": {
    hidden_size: 384,
    num_hidden_layers: 6,
    num_attention_heads: 6,
    intermediate_size: 1536,
  },
  "roformer-chinese-char-base": { vocab_size: 12000, max_position_embeddings: 512 },
  "roformer-mini": {
    vocab_size: 30522,
    hidden_size: 256,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    intermediate_size: 1024,
  },
} satisfies Record<string, Record<string, number>>;

const embeddingSizeOf = ({ embeddingSize, hiddenSize }: RoFormerConfig): number =>
  embeddingSize ?? hiddenSize;

/** Sum of token and segment vectors, normalised; positions act in attention. */
class RoFormerEmbeddings {
  readonly word: Embedding;
  readonly segment: Embedding;
  readonly norm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: RoFormerConfig,
  ) {
    const { vocabSize, typeVocabSize, padTokenId, layerNormEps } = config;
    const width = embeddingSizeOf(config);
    this.word = new Embedding(init, vocabSize, width, padTokenId ?? undefined);
    this.segment = new Embedding(init, typeVocabSize, width);
    this.norm = new LayerNorm(init, width, layerNormEps);
  }

  /** → [B, T, E]. Without segments all tokens are in the first. */
  forward(ctx: Context, inputs: Inputs): Node {
    const words = this.word.forward(requiredInput(inputs, "input_ids", "RoFormer"));
    const segment = inputs.token_type_ids
      ? this.segment.forward(inputs.token_type_ids)
      : slice(this.segment.weight, 0, 0, 1);
    return ctx.dropout(this.norm.forward(add(words, segment)), this.config.hiddenDropoutProb);
  }
}

/** Embeddings and layers, without a head. */
export class RoFormer {
  readonly embeddings: RoFormerEmbeddings;
  /** Where embeddings have another width than the layers. */
  readonly projection: Linear | undefined;
  readonly layers: readonly TransformerEncoderLayer[];

  constructor(
    init: Init,
    private readonly config: RoFormerConfig,
  ) {
    const width = embeddingSizeOf(config);
    this.embeddings = new RoFormerEmbeddings(init, config);
    this.projection = width === config.hiddenSize ? undefined : new Linear(init, width, config.hiddenSize);
    this.layers = Array.from(
      { length: config.numHiddenLayers },
      () => new TransformerEncoderLayer(init, layerConfigOf(config)),
    );
  }

  /**
   * `input_ids`, `attention_mask` (1 = attend; all by default) and `token_type_ids`, each [B, T] → [B, T, D].
   * Captures `hidden_states.N` (0: the embeddings) and `attentions.N`.
   */
  forward(ctx: Context, inputs: Inputs): Node {
    let hidden = ctx.capture("hidden_states.0", this.embed(ctx, inputs));
    const bias = inputs.attention_mask && paddingBias(inputs.attention_mask, hidden.dtype);
    const positions = this.positionsOf(hidden);
    for (let at = 0; at < this.layers.length; at++)
      hidden = ctx.capture(`hidden_states.${at + 1}`, this.runLayer(ctx, at, hidden, bias, positions));
    return hidden;
  }

  /** → [B, T, D], as the first layer takes it. */
  embed(ctx: Context, inputs: Inputs): Node {
    const embedded = this.embeddings.forward(ctx, inputs);
    return this.projection?.forward(embedded) ?? embedded;
  }

  /** One layer, from 0. hidden [B, T, D], bias [B, 1, 1, T] → [B, T, D]. */
  runLayer(
    ctx: Context,
    at: number,
    hidden: Node,
    bias: Node | undefined,
    positions = this.positionsOf(hidden),
  ): Node {
    return this.layers[at]!.forward(ctx, hidden, { bias, positions, captureAs: `attentions.${at}` });
  }

  private positionsOf(hidden: Node): AttentionPositions {
    const { hiddenSize, numAttentionHeads, rotaryValue: turnsValues } = this.config;
    return rotaryPositions(hidden.shape[1]!, hiddenSize / numAttentionHeads, {
      layout: "interleaved",
      turnsValues,
    });
  }
}

const layerConfigOf = (config: RoFormerConfig) => ({
  hiddenSize: config.hiddenSize,
  numHeads: config.numAttentionHeads,
  innerSize: config.intermediateSize,
  activation: config.hiddenAct,
  epsilon: config.layerNormEps,
  normFirst: false,
  dropout: config.hiddenDropoutProb,
  attentionDropout: config.attentionProbsDropoutProb,
  activationDropout: 0,
});

/** The encoder alone. */
export class RoFormerModel implements Model {
  readonly roformer: RoFormer;

  constructor(init: Init, config: RoFormerConfig) {
    this.roformer = new RoFormer(init, config);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    return { last_hidden_state: this.roformer.forward(ctx, inputs) };
  }
}

/** Scores of the vocabulary at every position; the weight is the word embeddings'. */
class RoFormerVocabularyHead {
  readonly dense: Linear;
  readonly norm: LayerNorm;
  readonly bias: Node;

  constructor(
    init: Init,
    private readonly config: RoFormerConfig,
  ) {
    const width = embeddingSizeOf(config);
    this.dense = new Linear(init, config.hiddenSize, width);
    this.norm = new LayerNorm(init, width, config.layerNormEps);
    this.bias = init.zeros([config.vocabSize]);
  }

  /** hidden [..., D], embeddings [V, E] → [..., V]. */
  forward(hidden: Node, embeddings: Node): Node {
    const transformed = this.norm.forward(activations[this.config.hiddenAct](this.dense.forward(hidden)));
    return add(matmul(transformed, embeddings, { transB: true }), this.bias);
  }
}

/** Masked language model. */
export class RoFormerForMaskedLM implements Model {
  readonly roformer: RoFormer;
  readonly vocabulary: RoFormerVocabularyHead;

  constructor(init: Init, config: RoFormerConfig) {
    this.roformer = new RoFormer(init, config);
    this.vocabulary = new RoFormerVocabularyHead(init, config);
  }

  /** `labels` [B, T] (−100: not asked); with `masked_positions` [N] the logits are those tokens' only. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const asked = askedTokens(this.roformer.forward(ctx, inputs), inputs);
    const logits = this.vocabulary.forward(asked.hidden, this.roformer.embeddings.word.weight);
    return { ...tokenLossOutputs(logits, asked.labels), logits };
  }
}

/** Scores of a whole text from its first token or the mean of all: dropout, linear, activation, dropout, linear. */
class RoFormerTextHead {
  readonly dense: Linear;
  readonly output: Linear;

  constructor(
    init: Init,
    private readonly config: RoFormerConfig,
  ) {
    this.dense = new Linear(init, config.hiddenSize, config.hiddenSize);
    this.output = new Linear(init, config.hiddenSize, config.id2label.length);
  }

  /** hidden [B, T, D] and the mask [B, T] of real tokens → [B, C]. */
  forward(ctx: Context, hidden: Node, mask: Node | undefined): Node {
    const { hiddenAct, hiddenDropoutProb: dropout, classifierPooling } = this.config;
    const state = classifierPooling === "mean" ? meanState(hidden, mask) : firstState(hidden);
    const features = this.dense.forward(ctx.dropout(state, dropout));
    return this.output.forward(ctx.dropout(activations[hiddenAct](features), dropout));
  }
}

/** One label, several labels or a number for a whole text. */
export class RoFormerForSequenceClassification implements Model {
  readonly roformer: RoFormer;
  readonly textHead: RoFormerTextHead;

  constructor(
    init: Init,
    private readonly config: RoFormerConfig,
  ) {
    this.roformer = new RoFormer(init, config);
    this.textHead = new RoFormerTextHead(init, config);
  }

  /** `labels`: int64 [B], or float [B] or [B, C] for regression and multi-label problems. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const logits = this.textHead.forward(ctx, this.roformer.forward(ctx, inputs), inputs.attention_mask);
    return classOutputs(logits, inputs, this.config.problemType);
  }
}

/** A label for every token. */
export class RoFormerForTokenClassification implements Model {
  readonly roformer: RoFormer;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: RoFormerConfig,
  ) {
    this.roformer = new RoFormer(init, config);
    this.classifier = new Linear(init, config.hiddenSize, config.id2label.length);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = ctx.dropout(this.roformer.forward(ctx, inputs), this.config.hiddenDropoutProb);
    const logits = this.classifier.forward(hidden);
    return tokenOutputs(logits, inputs);
  }
}

/** Scores of every token to be the first and the last of the answer. */
export class RoFormerForQuestionAnswering implements Model {
  readonly roformer: RoFormer;
  readonly spans: Linear;

  constructor(init: Init, config: RoFormerConfig) {
    this.roformer = new RoFormer(init, config);
    this.spans = new Linear(init, config.hiddenSize, 2);
  }

  /** `start_positions` and `end_positions` [B]; a position outside the text does not count. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    return spanOutputs(this.spans.forward(this.roformer.forward(ctx, inputs)), inputs);
  }
}

/** The best of N texts. Inputs are [B, N, T]. */
export class RoFormerForMultipleChoice implements Model {
  readonly roformer: RoFormer;
  readonly classifier: Linear;

  constructor(init: Init, config: RoFormerConfig) {
    this.roformer = new RoFormer(init, config);
    this.classifier = new Linear(init, config.hiddenSize, 1);
  }

  /** Scores each text by its last token. Hugging Face takes the last position, which may be padding. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const { rows, shape } = choiceRows(inputs, "RoFormer");
    const last = lastState(this.roformer.forward(ctx, rows), rows.attention_mask);
    const logits = reshape(this.classifier.forward(last), shape);
    return tokenOutputs(logits, inputs);
  }
}

/** Ours → Hugging Face; a bare `RoFormerModel` leaves out the prefix `roformer.`. */
export const roFormerNames: NameMap = {
  "roformer.embeddings.word": "roformer.embeddings.word_embeddings",
  "roformer.embeddings.segment": "roformer.embeddings.token_type_embeddings",
  "roformer.embeddings.norm": "roformer.embeddings.LayerNorm",
  "roformer.projection": "roformer.embeddings_project",
  "roformer.layers.{i}.selfAttention.query": "roformer.encoder.layer.{i}.attention.self.query",
  "roformer.layers.{i}.selfAttention.key": "roformer.encoder.layer.{i}.attention.self.key",
  "roformer.layers.{i}.selfAttention.value": "roformer.encoder.layer.{i}.attention.self.value",
  "roformer.layers.{i}.selfAttention.output": "roformer.encoder.layer.{i}.attention.output.dense",
  "roformer.layers.{i}.selfNorm": "roformer.encoder.layer.{i}.attention.output.LayerNorm",
  "roformer.layers.{i}.feedForward.up": "roformer.encoder.layer.{i}.intermediate.dense",
  "roformer.layers.{i}.feedForward.down": "roformer.encoder.layer.{i}.output.dense",
  "roformer.layers.{i}.outputNorm": "roformer.encoder.layer.{i}.output.LayerNorm",
  "vocabulary.dense": "cls.predictions.transform.dense",
  "vocabulary.norm": "cls.predictions.transform.LayerNorm",
  "vocabulary.bias": "cls.predictions.bias",
  "textHead.dense": "classifier.dense",
  "textHead.output": "classifier.out_proj",
  classifier: "classifier",
  spans: "qa_outputs",
};
