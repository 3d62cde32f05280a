/**
 * DistilBERT: half of BERT's layers, without token types and pooler.
 * Sanh et al. 2019, https://arxiv.org/abs/1910.01108
 * B batch, T tokens, D dim, V vocabSize, C labels.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { activations } from "../graph/ops/activation.ts";
import { add, reshape } from "../graph/ops/core.ts";
import { relu } from "../graph/ops/math.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { slice } from "../graph/ops/shape.ts";
import { MultiHeadAttention, paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Embedding } from "../nn/embedding.ts";
import { FeedForward } from "../nn/feed-forward.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { LearnedPositions, sinusoids } from "../nn/positions.ts";
import type { NameMap } from "../weights/names.ts";
import { activationName, id2label, problemType, rate, size } from "./config.ts";
import { askedTokens, classOutputs, spanOutputs, tokenLossOutputs, tokenOutputs } from "./heads.ts";
import { choiceRows, requiredInput } from "./inputs.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { firstState } from "./token-states.ts";

export const distilBertConfigSchema = z.object({
  vocabSize: size.default(30522),
  dim: size.default(768),
  nLayers: z.number().int().min(0).max(1000).default(6),
  nHeads: size.default(12),
  hiddenDim: size.default(3072),
  activation: activationName.default("gelu"),
  dropout: rate.default(0.1),
  attentionDropout: rate.default(0.1),
  seqClassifDropout: rate.default(0.2),
  qaDropout: rate.default(0.1),
  maxPositionEmbeddings: size.default(512),
  /** Whether positions are the fixed sinusoids instead of trained vectors. */
  sinusoidalPosEmbds: z.boolean().default(false),
  padTokenId: z.number().int().nullish().default(0),
  initializerRange: z.number().positive().default(0.02),
  tieWordEmbeddings: z.literal(true, "only a tied vocabulary is supported").default(true),
  id2label,
  problemType,
});

export type DistilBertConfig = z.infer<typeof distilBertConfigSchema>;

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const distilBertConfigs = {
  "distilbert-base-uncased": {},
  "distilbert-base-cased": { vocab_size: 28996 },
  "distilbert-base-multilingual-cased": { vocab_size: 119547 },
} satisfies Record<string, Record<string, number>>;

/** The same in every norm, and in no config. */
export const epsilon = 1e-12;

/** Sum of token and position vectors, normalised. */
class DistilBertEmbeddings {
  readonly word: Embedding;
  /** None where positions are sinusoids. */
  readonly position: LearnedPositions | undefined;
  readonly norm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: DistilBertConfig,
  ) {
    const { vocabSize, dim, maxPositionEmbeddings, sinusoidalPosEmbds, padTokenId } = config;
    this.word = new Embedding(init, vocabSize, dim, padTokenId ?? undefined);
    this.position = sinusoidalPosEmbds ? undefined : new LearnedPositions(init, maxPositionEmbeddings, dim);
    this.norm = new LayerNorm(init, dim, epsilon);
  }

  /** ids [B, T] → [B, T, D]. */
  forward(ctx: Context, ids: Node): Node {
    const { maxPositionEmbeddings, dim, dropout } = this.config;
    const words = this.word.forward(ids);
    const length = ids.shape[1]!;
    const position =
      this.position?.forward(length) ??
      slice(sinusoids(maxPositionEmbeddings, dim, "interleaved", words.dtype), 0, 0, length);
    return ctx.dropout(this.norm.forward(add(words, position)), dropout);
  }
}

/** Attention and feed-forward, each with a skip connection and a norm after it. */
class DistilBertLayer {
  readonly attention: MultiHeadAttention;
  readonly attentionNorm: LayerNorm;
  readonly feedForward: FeedForward;
  readonly outputNorm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: DistilBertConfig,
  ) {
    const { dim, nHeads, hiddenDim, activation } = config;
    this.attention = new MultiHeadAttention(init, dim, nHeads);
    this.attentionNorm = new LayerNorm(init, dim, epsilon);
    this.feedForward = new FeedForward(init, dim, hiddenDim, activation);
    this.outputNorm = new LayerNorm(init, dim, epsilon);
  }

  /** x [B, T, D], bias [B, 1, 1, T] → [B, T, D]. Unlike in BERT, what attention gives is not dropped. */
  forward(ctx: Context, x: Node, bias: Node | undefined, captureAs: string): Node {
    const { dropout, attentionDropout } = this.config;
    const attended = this.attention.forward(ctx, x, { bias, dropout: attentionDropout, captureAs });
    const hidden = this.attentionNorm.forward(add(attended, x));
    return this.outputNorm.forward(add(ctx.dropout(this.feedForward.forward(hidden), dropout), hidden));
  }
}

/** Embeddings and layers, without a head. */
export class DistilBert {
  readonly embeddings: DistilBertEmbeddings;
  readonly layers: readonly DistilBertLayer[];

  constructor(init: Init, config: DistilBertConfig) {
    this.embeddings = new DistilBertEmbeddings(init, config);
    this.layers = Array.from({ length: config.nLayers }, () => new DistilBertLayer(init, config));
  }

  /**
   * `input_ids` and `attention_mask` (1 = attend; all by default), each [B, T] → [B, T, D].
   * Captures `hidden_states.N` (0: the embeddings) and `attentions.N`.
   */
  forward(ctx: Context, inputs: Inputs): Node {
    const embedded = this.embeddings.forward(ctx, requiredInput(inputs, "input_ids", "DistilBERT"));
    const bias = inputs.attention_mask && paddingBias(inputs.attention_mask, embedded.dtype);
    let hidden = ctx.capture("hidden_states.0", embedded);
    this.layers.forEach((layer, at) => {
      hidden = ctx.capture(`hidden_states.${at + 1}`, layer.forward(ctx, hidden, bias, `attentions.${at}`));
    });
    return hidden;
  }
}

/** The encoder alone. */
export class DistilBertModel implements Model {
  readonly distilbert: DistilBert;

  constructor(init: Init, config: DistilBertConfig) {
    this.distilbert = new DistilBert(init, config);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    return { last_hidden_state: this.distilbert.forward(ctx, inputs) };
  }
}

/** Masked language model; the vocabulary's weight is the word embeddings'. */
export class DistilBertForMaskedLM implements Model {
  readonly distilbert: DistilBert;
  readonly transform: Linear;
  readonly norm: LayerNorm;
  readonly bias: Node;

  constructor(
    init: Init,
    private readonly config: DistilBertConfig,
  ) {
    this.distilbert = new DistilBert(init, config);
    this.transform = new Linear(init, config.dim, config.dim);
    this.norm = new LayerNorm(init, config.dim, epsilon);
    this.bias = init.zeros([config.vocabSize]);
  }

  /** `labels` [B, T] (−100: not asked); with `masked_positions` [N] the logits are those tokens' only. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const asked = askedTokens(this.distilbert.forward(ctx, inputs), inputs);
    const transformed = activations[this.config.activation](this.transform.forward(asked.hidden));
    const scores = matmul(this.norm.forward(transformed), this.distilbert.embeddings.word.weight, {
      transB: true,
    });
    const logits = add(scores, this.bias);
    return { ...tokenLossOutputs(logits, asked.labels), logits };
  }
}

/** What scores a whole text from its first token. */
interface TextHead {
  readonly preClassifier: Linear;
  readonly classifier: Linear;
}

/** Linear, ReLU, dropout, linear. states [B, T, D] → [B, C]. */
function textScores(ctx: Context, states: Node, head: TextHead, dropout: number): Node {
  return head.classifier.forward(ctx.dropout(relu(head.preClassifier.forward(firstState(states))), dropout));
}

/** One label, several labels or a number for a whole text. */
export class DistilBertForSequenceClassification implements Model {
  readonly distilbert: DistilBert;
  readonly preClassifier: Linear;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: DistilBertConfig,
  ) {
    this.distilbert = new DistilBert(init, config);
    this.preClassifier = new Linear(init, config.dim, config.dim);
    this.classifier = new Linear(init, config.dim, config.id2label.length);
  }

  /** `labels`: int64 [B], or float [B] or [B, C] for regression and multi-label problems. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const { problemType: problem, seqClassifDropout: dropout } = this.config;
    const logits = textScores(ctx, this.distilbert.forward(ctx, inputs), this, dropout);
    return classOutputs(logits, inputs, problem);
  }
}

/** A label for every token. */
export class DistilBertForTokenClassification implements Model {
  readonly distilbert: DistilBert;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: DistilBertConfig,
  ) {
    this.distilbert = new DistilBert(init, config);
    this.classifier = new Linear(init, config.dim, config.id2label.length);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = ctx.dropout(this.distilbert.forward(ctx, inputs), this.config.dropout);
    const logits = this.classifier.forward(hidden);
    return tokenOutputs(logits, inputs);
  }
}

/** Scores of every token to be the first and the last of the answer. */
export class DistilBertForQuestionAnswering implements Model {
  readonly distilbert: DistilBert;
  readonly spans: Linear;

  constructor(
    init: Init,
    private readonly config: DistilBertConfig,
  ) {
    this.distilbert = new DistilBert(init, config);
    this.spans = new Linear(init, config.dim, 2);
  }

  /** `start_positions` and `end_positions` [B]; a position outside the text does not count. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = ctx.dropout(this.distilbert.forward(ctx, inputs), this.config.qaDropout);
    return spanOutputs(this.spans.forward(hidden), inputs);
  }
}

/** The best of N texts. Inputs are [B, N, T]. */
export class DistilBertForMultipleChoice implements Model {
  readonly distilbert: DistilBert;
  readonly preClassifier: Linear;
  readonly classifier: Linear;

  constructor(
    init: Init,
    private readonly config: DistilBertConfig,
  ) {
    this.distilbert = new DistilBert(init, config);
    this.preClassifier = new Linear(init, config.dim, config.dim);
    this.classifier = new Linear(init, config.dim, 1);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const { rows, shape } = choiceRows(inputs, "DistilBERT");
    const scores = textScores(ctx, this.distilbert.forward(ctx, rows), this, this.config.seqClassifDropout);
    const logits = reshape(scores, shape);
    return tokenOutputs(logits, inputs);
  }
}

/** Ours → Hugging Face; a bare `DistilBertModel` leaves out the prefix `distilbert.`. */
export const distilBertNames: NameMap = {
  "distilbert.embeddings.word": "distilbert.embeddings.word_embeddings",
  "distilbert.embeddings.position": "distilbert.embeddings.position_embeddings",
  "distilbert.embeddings.norm": "distilbert.embeddings.LayerNorm",
  "distilbert.layers.{i}.attention.query": "distilbert.transformer.layer.{i}.attention.q_lin",
  "distilbert.layers.{i}.attention.key": "distilbert.transformer.layer.{i}.attention.k_lin",
  "distilbert.layers.{i}.attention.value": "distilbert.transformer.layer.{i}.attention.v_lin",
  "distilbert.layers.{i}.attention.output": "distilbert.transformer.layer.{i}.attention.out_lin",
  "distilbert.layers.{i}.attentionNorm": "distilbert.transformer.layer.{i}.sa_layer_norm",
  "distilbert.layers.{i}.feedForward.up": "distilbert.transformer.layer.{i}.ffn.lin1",
  "distilbert.layers.{i}.feedForward.down": "distilbert.transformer.layer.{i}.ffn.lin2",
  "distilbert.layers.{i}.outputNorm": "distilbert.transformer.layer.{i}.output_layer_norm",
  transform: "vocab_transform",
  norm: "vocab_layer_norm",
  bias: "vocab_projector.bias",
  preClassifier: "pre_classifier",
  classifier: "classifier",
  spans: "qa_outputs",
};
