/** XLNet with its heads. B batch, T tokens, N targets, D dModel, V vocabSize, C labels. */

import type { Node } from "../graph/node.ts";
import { activations } from "../graph/ops/activation.ts";
import { add, reshape } from "../graph/ops/core.ts";
import { matmul } from "../graph/ops/matmul.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import type { NameMap } from "../weights/names.ts";
import { askedTokens, classOutputs, spanOutputs, tokenLossOutputs, tokenOutputs } from "./heads.ts";
import { choiceRows } from "./inputs.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { firstState, lastState, meanState, stateAt } from "./token-states.ts";
import { XLNet, type XLNetConfig } from "./xlnet.ts";

/** Both streams alone. */
export class XLNetModel implements Model {
  readonly transformer: XLNet;

  constructor(init: Init, config: XLNetConfig) {
    this.transformer = new XLNet(init, config);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    return { last_hidden_state: this.transformer.forward(ctx, inputs) };
  }
}

/** Language model; the vocabulary's weight is the word embeddings'. */
export class XLNetLMHeadModel implements Model {
  readonly transformer: XLNet;
  readonly bias: Node;

  constructor(init: Init, config: XLNetConfig) {
    this.transformer = new XLNet(init, config);
    this.bias = init.zeros([config.vocabSize]);
  }

  /** `labels` [B, N] with targets, otherwise [B, T]; −100: not asked. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const asked = askedTokens(this.transformer.forward(ctx, inputs), inputs);
    const scores = matmul(asked.hidden, this.transformer.word.weight, { transB: true });
    const logits = add(scores, this.bias);
    return { ...tokenLossOutputs(logits, asked.labels), logits };
  }
}

/**
 * One vector of a text: a token's state, linear, activation. Padding does not count, on either side; Hugging Face takes
 * the first or last position whatever is there, and the mean over padding too.
 */
function summaryOf(
  ctx: Context,
  hidden: Node,
  projection: Linear | undefined,
  config: XLNetConfig,
  { attention_mask, cls_index }: Inputs,
): Node {
  const { summaryType, summaryActivation, summaryFirstDropout, summaryLastDropout } = config;
  const pickers = {
    last: () => lastState(hidden, attention_mask),
    first: () => firstState(hidden, attention_mask),
    mean: () => meanState(hidden, attention_mask),
    cls_index: () => (cls_index ? stateAt(hidden, cls_index) : lastState(hidden, attention_mask)),
  };
  const picked = ctx.dropout(pickers[summaryType](), summaryFirstDropout);
  const projected = projection?.forward(picked) ?? picked;
  const active = summaryActivation ? activations[summaryActivation](projected) : projected;
  return ctx.dropout(active, summaryLastDropout);
}

const summaryProjection = (init: Init, { summaryUseProj, dModel }: XLNetConfig): Linear | undefined =>
  summaryUseProj ? new Linear(init, dModel, dModel) : undefined;

/** One label, several labels or a number for a whole text. */
export class XLNetForSequenceClassification implements Model {
  readonly transformer: XLNet;
  readonly summary: Linear | undefined;
  readonly scores: Linear;

  constructor(
    init: Init,
    private readonly config: XLNetConfig,
  ) {
    this.transformer = new XLNet(init, config);
    this.summary = summaryProjection(init, config);
    this.scores = new Linear(init, config.dModel, config.id2label.length);
  }

  /** `labels`: int64 [B], or float [B] or [B, C] for regression and multi-label problems; `cls_index` int64 [B]. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = this.transformer.forward(ctx, inputs);
    const logits = this.scores.forward(summaryOf(ctx, hidden, this.summary, this.config, inputs));
    return classOutputs(logits, inputs, this.config.problemType);
  }
}

/** A label for every token. */
export class XLNetForTokenClassification implements Model {
  readonly transformer: XLNet;
  readonly classifier: Linear;

  constructor(init: Init, config: XLNetConfig) {
    this.transformer = new XLNet(init, config);
    this.classifier = new Linear(init, config.dModel, config.id2label.length);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const logits = this.classifier.forward(this.transformer.forward(ctx, inputs));
    return tokenOutputs(logits, inputs);
  }
}

/** The best of N texts. Inputs are [B, N, T]. */
export class XLNetForMultipleChoice implements Model {
  readonly transformer: XLNet;
  readonly summary: Linear | undefined;
  readonly scores: Linear;

  constructor(
    init: Init,
    private readonly config: XLNetConfig,
  ) {
    this.transformer = new XLNet(init, config);
    this.summary = summaryProjection(init, config);
    this.scores = new Linear(init, config.dModel, 1);
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    const { rows, shape } = choiceRows(inputs, "XLNet");
    const hidden = this.transformer.forward(ctx, rows);
    const summary = summaryOf(ctx, hidden, this.summary, this.config, rows);
    const logits = reshape(this.scores.forward(summary), shape);
    return tokenOutputs(logits, inputs);
  }
}

/** Scores of every token to be the first and the last of the answer. */
export class XLNetForQuestionAnsweringSimple implements Model {
  readonly transformer: XLNet;
  readonly spans: Linear;

  constructor(init: Init, config: XLNetConfig) {
    this.transformer = new XLNet(init, config);
    this.spans = new Linear(init, config.dModel, 2);
  }

  /** `start_positions` and `end_positions` [B]; a position outside the text does not count. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    return spanOutputs(this.spans.forward(this.transformer.forward(ctx, inputs)), inputs);
  }
}

/** Ours → Hugging Face; a bare `XLNetModel` leaves out the prefix `transformer.`. */
export const xlnetNames: NameMap = {
  "transformer.word": "transformer.word_embedding",
  "transformer.maskVector": "transformer.mask_emb",
  "transformer.layers.{i}.attention.query": "transformer.layer.{i}.rel_attn.q",
  "transformer.layers.{i}.attention.key": "transformer.layer.{i}.rel_attn.k",
  "transformer.layers.{i}.attention.value": "transformer.layer.{i}.rel_attn.v",
  "transformer.layers.{i}.attention.output": "transformer.layer.{i}.rel_attn.o",
  "transformer.layers.{i}.attention.position": "transformer.layer.{i}.rel_attn.r",
  "transformer.layers.{i}.attention.positionBias": "transformer.layer.{i}.rel_attn.r_r_bias",
  "transformer.layers.{i}.attention.segmentBias": "transformer.layer.{i}.rel_attn.r_s_bias",
  "transformer.layers.{i}.attention.contentBias": "transformer.layer.{i}.rel_attn.r_w_bias",
  "transformer.layers.{i}.attention.segments": "transformer.layer.{i}.rel_attn.seg_embed",
  "transformer.layers.{i}.attention.norm": "transformer.layer.{i}.rel_attn.layer_norm",
  "transformer.layers.{i}.feedForward.up": "transformer.layer.{i}.ff.layer_1",
  "transformer.layers.{i}.feedForward.down": "transformer.layer.{i}.ff.layer_2",
  "transformer.layers.{i}.feedForward.norm": "transformer.layer.{i}.ff.layer_norm",
  bias: "lm_loss.bias",
  summary: "sequence_summary.summary",
  scores: "logits_proj",
  classifier: "classifier",
  spans: "qa_outputs",
  "start.dense": "start_logits.dense",
  "end.hidden": "end_logits.dense_0",
  "end.norm": "end_logits.LayerNorm",
  "end.output": "end_logits.dense_1",
  "answerable.hidden": "answer_class.dense_0",
  "answerable.output": "answer_class.dense_1",
};
