/**
 * BERT: a bidirectional Transformer encoder, post-norm.
 * Devlin et al. 2019, https://arxiv.org/abs/1810.04805
 * B batch, T tokens, D hiddenSize, V vocabSize, C labels.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { activations } from "../graph/ops/activation.ts";
import { add, reshape } from "../graph/ops/core.ts";
import { tanh } from "../graph/ops/math.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { slice, squeeze } from "../graph/ops/shape.ts";
import { MultiHeadAttention, paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Embedding } from "../nn/embedding.ts";
import { FeedForward } from "../nn/feed-forward.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { LearnedPositions } from "../nn/positions.ts";
import { RelativeKeys, RelativeKeysAndQueries, reversedRow } from "../nn/positions-shaw.ts";
import type { NameMap } from "../weights/names.ts";
import { activationName, id2label, problemType, rate, size } from "./config.ts";
import {
  askedTokens,
  classOutputs,
  spanOutputs,
  tokenLoss,
  tokenLossOutputs,
  tokenOutputs,
} from "./heads.ts";
import { choiceRows, requiredInput } from "./inputs.ts";
import type { Inputs, Model, Outputs } from "./model.ts";

export const bertConfigSchema = z.object({
  vocabSize: size.default(30522),
  hiddenSize: size.default(768),
  numHiddenLayers: z.number().int().min(0).max(1000).default(12),
  numAttentionHeads: size.default(12),
  intermediateSize: size.default(3072),
  hiddenAct: activationName.default("gelu"),
  hiddenDropoutProb: rate.default(0.1),
  attentionProbsDropoutProb: rate.default(0.1),
  classifierDropout: rate.nullish(),
  maxPositionEmbeddings: size.default(512),
  typeVocabSize: size.default(2),
  layerNormEps: z.number().positive().default(1e-12),
  padTokenId: z.number().int().nullish(),
  initializerRange: z.number().positive().default(0.02),
  /** How positions act: vectors added to the embeddings, or distances within attention (Shaw et al., Huang et al.). */
  positionEmbeddingType: z.enum(["absolute", "relative_key", "relative_key_query"]).default("absolute"),
  id2label,
  problemType,
});

export type BertConfig = z.infer<typeof bertConfigSchema>;

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const bertConfigs = {
  "bert-base-uncased": {},
  "bert-base-cased": { vocab_size: 28996 },
  "bert-base-chinese": { vocab_size: 21128 },
  "bert-large-uncased": {
    hidden_size: 1024,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    intermediate_size: 4096,
  },
  "bert-mini": { hidden_size: 256, num_hidden_layers: 4, num_attention_heads: 4, intermediate_size: 1024 },
  "bert-tiny": { hidden_size: 128, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 512 },
} satisfies Record<string, Record<string, number>>;

/** Sum of token, segment and position vectors, normalised. */
class BertEmbeddings {
  readonly word: Embedding;
  readonly position: LearnedPositions;
  readonly segment: Embedding;
  readonly norm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: BertConfig,
  ) {
    const { vocabSize, hiddenSize, maxPositionEmbeddings, typeVocabSize, padTokenId, layerNormEps } = config;
    this.word = new Embedding(init, vocabSize, hiddenSize, padTokenId ?? undefined);
    this.position = new LearnedPositions(init, maxPositionEmbeddings, hiddenSize);
    this.segment = new Embedding(init, typeVocabSize, hiddenSize);
    this.norm = new LayerNorm(init, hiddenSize, layerNormEps);
  }

  /** → [B, T, D]. Without segments all tokens are in the first; without position ids they count from 0. */
  forward(ctx: Context, { token_type_ids, position_ids, ...inputs }: Inputs): Node {
    const ids = requiredInput(inputs, "input_ids", "BERT");
    const segment = token_type_ids
      ? this.segment.forward(token_type_ids)
      : slice(this.segment.weight, 0, 0, 1);
    const sum = add(this.word.forward(ids), segment);
    const position = (): Node =>
      position_ids ? this.position.at(position_ids) : this.position.forward(ids.shape[1]!);
    const placed = this.config.positionEmbeddingType === "absolute" ? add(sum, position()) : sum;
    return ctx.dropout(this.norm.forward(placed), this.config.hiddenDropoutProb);
  }
}

/** A layer's vectors for distances, where its positions are relative. */
function relativePositions(
  init: Init,
  { positionEmbeddingType: type, hiddenSize, numAttentionHeads, maxPositionEmbeddings }: BertConfig,
): RelativeKeys | RelativeKeysAndQueries | undefined {
  if (type === "absolute") return undefined;
  const Positions = type === "relative_key" ? RelativeKeys : RelativeKeysAndQueries;
  return new Positions(init, hiddenSize / numAttentionHeads, maxPositionEmbeddings - 1, reversedRow);
}

/** Attention and feed-forward, each with dropout, a skip connection and a norm after it. */
class BertLayer {
  readonly attention: MultiHeadAttention;
  readonly positions: RelativeKeys | RelativeKeysAndQueries | undefined;
  readonly attentionNorm: LayerNorm;
  readonly feedForward: FeedForward;
  readonly outputNorm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: BertConfig,
  ) {
    const { hiddenSize, numAttentionHeads, intermediateSize, hiddenAct, layerNormEps } = config;
    this.attention = new MultiHeadAttention(init, hiddenSize, numAttentionHeads);
    this.positions = relativePositions(init, config);
    this.attentionNorm = new LayerNorm(init, hiddenSize, layerNormEps);
    this.feedForward = new FeedForward(init, hiddenSize, intermediateSize, hiddenAct);
    this.outputNorm = new LayerNorm(init, hiddenSize, layerNormEps);
  }

  /** x [B, T, D], bias [B, 1, 1, T] → [B, T, D]. */
  forward(ctx: Context, x: Node, bias: Node | undefined, captureAs: string): Node {
    const { hiddenDropoutProb, attentionProbsDropoutProb: dropout } = this.config;
    const positions = this.positions?.at();
    const attended = this.attention.forward(ctx, x, { bias, positions, dropout, captureAs });
    const hidden = this.attentionNorm.forward(add(ctx.dropout(attended, hiddenDropoutProb), x));
    const fed = this.feedForward.forward(hidden);
    return this.outputNorm.forward(add(ctx.dropout(fed, hiddenDropoutProb), hidden));
  }
}

/** Embeddings and layers, without pooler or head. */
export class Bert {
  readonly embeddings: BertEmbeddings;
  readonly layers: readonly BertLayer[];

  constructor(init: Init, config: BertConfig) {
    this.embeddings = new BertEmbeddings(init, config);
    this.layers = Array.from({ length: config.numHiddenLayers }, () => new BertLayer(init, config));
  }

  /**
   * `input_ids`, `attention_mask` (1 = attend; all by default), `token_type_ids` and `position_ids`, each [B, T]
   * → [B, T, D]. The mask may be of pairs, [B, T, T].
   * Captures `hidden_states.N` (0: the embeddings) and `attentions.N`.
   */
  forward(ctx: Context, inputs: Inputs): Node {
    const embedded = this.embeddings.forward(ctx, inputs);
    const bias = inputs.attention_mask && paddingBias(inputs.attention_mask, embedded.dtype);
    let hidden = ctx.capture("hidden_states.0", embedded);
    this.layers.forEach((layer, at) => {
      hidden = ctx.capture(`hidden_states.${at + 1}`, layer.forward(ctx, hidden, bias, `attentions.${at}`));
    });
    return hidden;
  }
}

/** tanh of a linear map of the first token. */
export class BertPooler {
  readonly dense: Linear;

  constructor(init: Init, { hiddenSize }: BertConfig) {
    this.dense = new Linear(init, hiddenSize, hiddenSize);
  }

  /** [B, T, D] → [B, D]. */
  forward(hidden: Node): Node {
    return tanh(this.dense.forward(squeeze(slice(hidden, 1, 0, 1), 1)));
  }
}

/** Scores of the vocabulary at every position; the weight is the word embeddings'. */
class BertVocabularyHead {
  readonly dense: Linear;
  readonly norm: LayerNorm;
  readonly bias: Node;

  constructor(
    init: Init,
    private readonly config: BertConfig,
  ) {
    const { hiddenSize, layerNormEps, vocabSize } = config;
    this.dense = new Linear(init, hiddenSize, hiddenSize);
    this.norm = new LayerNorm(init, hiddenSize, layerNormEps);
    this.bias = init.zeros([vocabSize]);
  }

  /** hidden [B, T, D], embeddings [V, D] → [B, T, V]. */
  forward(hidden: Node, embeddings: Node): Node {
    const transformed = this.norm.forward(activations[this.config.hiddenAct](this.dense.forward(hidden)));
    return add(matmul(transformed, embeddings, { transB: true }), this.bias);
  }
}

/** The encoder with its pooler. */
export class BertModel implements Model {
  readonly bert: Bert;
  readonly pooler: BertPooler;

  constructor(init: Init, config: BertConfig) {
    this.bert = new Bert(init, config);
    this.pooler = new BertPooler(init, config);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = this.bert.forward(ctx, inputs);
    return { last_hidden_state: hidden, pooler_output: this.pooler.forward(hidden) };
  }
}

/** Masked language model and next-sentence prediction together, as BERT was pretrained. */
export class BertForPreTraining implements Model {
  readonly bert: Bert;
  readonly pooler: BertPooler;
  readonly vocabulary: BertVocabularyHead;
  readonly nextSentence: Linear;

  constructor(init: Init, config: BertConfig) {
    this.bert = new Bert(init, config);
    this.pooler = new BertPooler(init, config);
    this.vocabulary = new BertVocabularyHead(init, config);
    this.nextSentence = new Linear(init, config.hiddenSize, 2);
  }

  /** `labels` [B, T] (−100: not asked), `next_sentence_label` [B] (0: it is the next), `masked_positions` [N]. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = this.bert.forward(ctx, inputs);
    const asked = askedTokens(hidden, inputs);
    const prediction_logits = this.vocabulary.forward(asked.hidden, this.bert.embeddings.word.weight);
    const seq_relationship_logits = this.nextSentence.forward(this.pooler.forward(hidden));
    const outputs = { prediction_logits, seq_relationship_logits };
    const { loss, ...predicted } = tokenLossOutputs(prediction_logits, asked.labels);
    if (!loss || !inputs.next_sentence_label) return outputs;
    const nextLoss = tokenLoss(seq_relationship_logits, inputs.next_sentence_label);
    return { loss: add(loss, nextLoss), ...predicted, ...outputs };
  }
}

/** Masked language model alone. */
export class BertForMaskedLM implements Model {
  readonly bert: Bert;
  readonly vocabulary: BertVocabularyHead;

  constructor(init: Init, config: BertConfig) {
    this.bert = new Bert(init, config);
    this.vocabulary = new BertVocabularyHead(init, config);
  }

  /** `labels` [B, T] (−100: not asked); with `masked_positions` [N] the logits are those tokens' only. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const asked = askedTokens(this.bert.forward(ctx, inputs), inputs);
    const logits = this.vocabulary.forward(asked.hidden, this.bert.embeddings.word.weight);
    return { ...tokenLossOutputs(logits, asked.labels), logits };
  }
}

/** Next-sentence prediction alone. */
export class BertForNextSentencePrediction implements Model {
  readonly bert: Bert;
  readonly pooler: BertPooler;
  readonly nextSentence: Linear;

  constructor(init: Init, config: BertConfig) {
    this.bert = new Bert(init, config);
    this.pooler = new BertPooler(init, config);
    this.nextSentence = new Linear(init, config.hiddenSize, 2);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const logits = this.nextSentence.forward(this.pooler.forward(this.bert.forward(ctx, inputs)));
    return tokenOutputs(logits, inputs);
  }
}

const headDropout = (config: BertConfig): number => config.classifierDropout ?? config.hiddenDropoutProb;

/** One label, several labels or a number for a whole text. */
export class BertForSequenceClassification implements Model {
  readonly bert: Bert;
  readonly pooler: BertPooler;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: BertConfig,
  ) {
    this.bert = new Bert(init, config);
    this.pooler = new BertPooler(init, config);
    this.classifier = new Linear(init, config.hiddenSize, config.id2label.length);
  }

  /** `labels`: int64 [B], or float [B] or [B, C] for regression and multi-label problems. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const pooled = ctx.dropout(this.pooler.forward(this.bert.forward(ctx, inputs)), headDropout(this.config));
    const logits = this.classifier.forward(pooled);
    return classOutputs(logits, inputs, this.config.problemType);
  }
}

/** A label for every token. */
export class BertForTokenClassification implements Model {
  readonly bert: Bert;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: BertConfig,
  ) {
    this.bert = new Bert(init, config);
    this.classifier = new Linear(init, config.hiddenSize, config.id2label.length);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = ctx.dropout(this.bert.forward(ctx, inputs), headDropout(this.config));
    const logits = this.classifier.forward(hidden);
    return tokenOutputs(logits, inputs);
  }
}

/** Scores of every token to be the first and the last of the answer. */
export class BertForQuestionAnswering implements Model {
  readonly bert: Bert;
  readonly spans: Linear;

  constructor(init: Init, config: BertConfig) {
    this.bert = new Bert(init, config);
    this.spans = new Linear(init, config.hiddenSize, 2);
  }

  /** `start_positions` and `end_positions` [B]; a position outside the text does not count. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    return spanOutputs(this.spans.forward(this.bert.forward(ctx, inputs)), inputs);
  }
}

/** The best of N texts. Inputs are [B, N, T]. */
export class BertForMultipleChoice implements Model {
  readonly bert: Bert;
  readonly pooler: BertPooler;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: BertConfig,
  ) {
    this.bert = new Bert(init, config);
    this.pooler = new BertPooler(init, config);
    this.classifier = new Linear(init, config.hiddenSize, 1);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const { rows, shape } = choiceRows(inputs, "BERT");
    const pooled = ctx.dropout(this.pooler.forward(this.bert.forward(ctx, rows)), headDropout(this.config));
    const logits = reshape(this.classifier.forward(pooled), shape);
    return tokenOutputs(logits, inputs);
  }
}

/** Ours → Hugging Face, for every BERT class; a bare `BertModel` leaves out the prefix `bert.`. */
export const bertNames: NameMap = {
  "bert.embeddings.word": "bert.embeddings.word_embeddings",
  "bert.embeddings.position": "bert.embeddings.position_embeddings",
  "bert.embeddings.segment": "bert.embeddings.token_type_embeddings",
  "bert.embeddings.norm": "bert.embeddings.LayerNorm",
  "bert.layers.{i}.positions.keys": "bert.encoder.layer.{i}.attention.self.distance_embedding",
  "bert.layers.{i}.attention.query": "bert.encoder.layer.{i}.attention.self.query",
  "bert.layers.{i}.attention.key": "bert.encoder.layer.{i}.attention.self.key",
  "bert.layers.{i}.attention.value": "bert.encoder.layer.{i}.attention.self.value",
  "bert.layers.{i}.attention.output": "bert.encoder.layer.{i}.attention.output.dense",
  "bert.layers.{i}.attentionNorm": "bert.encoder.layer.{i}.attention.output.LayerNorm",
  "bert.layers.{i}.feedForward.up": "bert.encoder.layer.{i}.intermediate.dense",
  "bert.layers.{i}.feedForward.down": "bert.encoder.layer.{i}.output.dense",
  "bert.layers.{i}.outputNorm": "bert.encoder.layer.{i}.output.LayerNorm",
  pooler: "bert.pooler",
  "vocabulary.dense": "cls.predictions.transform.dense",
  "vocabulary.norm": "cls.predictions.transform.LayerNorm",
  "vocabulary.bias": "cls.predictions.bias",
  nextSentence: "cls.seq_relationship",
  classifier: "classifier",
  spans: "qa_outputs",
};
