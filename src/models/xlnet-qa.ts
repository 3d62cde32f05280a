/**
 * XLNet's own question answering: the end of an answer is scored given its start, and whether there is an answer at all
 * from the last token and the start. Yang et al. 2019, https://arxiv.org/abs/1906.08237
 * B batch, T tokens, D dModel, S startNTop, E endNTop.
 */

import type { Node } from "../graph/node.ts";
import { add, broadcastTo, mul, reshape, sub } from "../graph/ops/core.ts";
import { oneHot, topK } from "../graph/ops/indexing.ts";
import { tanh } from "../graph/ops/math.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { softmax } from "../graph/ops/norm.ts";
import { cast } from "../graph/ops/select.ts";
import { concat, squeeze, unsqueeze } from "../graph/ops/shape.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import { binaryCrossEntropy, crossEntropy } from "../nn/losses.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { lastState, stateAt } from "./token-states.ts";
import { XLNet, type XLNetConfig } from "./xlnet.ts";

/** What is subtracted from the scores of tokens that cannot be in an answer. */
const outside = 1e30;

/** Scores [B, T] or [B, T, S] without the tokens of a mask [B, T] (1 = cannot be in an answer). */
function masked(scores: Node, mask: Node | undefined): Node {
  if (!mask) return scores;
  const perToken = cast(mask, scores.dtype);
  const out = scores.rank === 3 ? unsqueeze(perToken, 2) : perToken;
  return sub(mul(scores, sub(1, out)), mul(out, outside));
}

/** States [B, T, D], and which of them cannot be in an answer. */
interface Tokens {
  readonly hidden: Node;
  readonly mask: Node | undefined;
}

const paddingOf = ({ attention_mask: mask }: Inputs, { dtype }: Node): Node | undefined =>
  mask && sub(1, cast(mask, dtype));

/** A score of every token. */
class StartScores {
  readonly dense: Linear;

  constructor(init: Init, { dModel }: XLNetConfig) {
    this.dense = new Linear(init, dModel, 1);
  }

  /** hidden [B, T, D] → [B, T]. */
  forward(hidden: Node): Node {
    return squeeze(this.dense.forward(hidden), -1);
  }
}

/** A score of every token given a start. */
class EndScores {
  readonly hidden: Linear;
  readonly norm: LayerNorm;
  readonly output: Linear;

  constructor(init: Init, { dModel, layerNormEps }: XLNetConfig) {
    this.hidden = new Linear(init, 2 * dModel, dModel);
    this.norm = new LayerNorm(init, dModel, layerNormEps);
    this.output = new Linear(init, dModel, 1);
  }

  /** Tokens [..., D] and starts that broadcast to them → [...]. */
  forward(tokens: Node, starts: Node): Node {
    const pair = concat([tokens, broadcastTo(starts, tokens.shape)], -1);
    return squeeze(this.output.forward(this.norm.forward(tanh(this.hidden.forward(pair)))), -1);
  }
}

/** Whether there is no answer, from a start and the token that stands for the text. */
class AnswerClass {
  readonly hidden: Linear;
  readonly output: Linear;

  constructor(init: Init, { dModel }: XLNetConfig) {
    this.hidden = new Linear(init, 2 * dModel, dModel);
    this.output = new Linear(init, dModel, 1, false);
  }

  /** start and text [B, D] → [B]. */
  forward(start: Node, text: Node): Node {
    return squeeze(this.output.forward(tanh(this.hidden.forward(concat([start, text], -1)))), -1);
  }
}

export class XLNetForQuestionAnswering implements Model {
  readonly transformer: XLNet;
  readonly start: StartScores;
  readonly end: EndScores;
  readonly answerable: AnswerClass;

  constructor(
    init: Init,
    private readonly config: XLNetConfig,
  ) {
    this.transformer = new XLNet(init, config);
    this.start = new StartScores(init, config);
    this.end = new EndScores(init, config);
    this.answerable = new AnswerClass(init, config);
  }

  /**
   * The best starts and, for each, the best ends. With `start_positions` and `end_positions` [B] the loss, to which
   * `is_impossible` float [B] with `cls_index` [B] adds. `p_mask` [B, T] is 1 where no answer can be; by default at padding, while
   * Hugging Face counts padding in.
   */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const hidden = this.transformer.forward(ctx, inputs);
    const tokens = { hidden, mask: inputs.p_mask ?? paddingOf(inputs, hidden) };
    const startScores = masked(this.start.forward(hidden), tokens.mask);
    const { start_positions: starts, end_positions: ends } = inputs;
    const beams = ctx.isTraining ? {} : this.beams(tokens, startScores, inputs);
    if (!starts || !ends) return beams;
    return { loss: this.loss(tokens, startScores, starts, ends, inputs), ...beams };
  }

  private loss({ hidden, mask }: Tokens, startScores: Node, starts: Node, ends: Node, inputs: Inputs): Node {
    const start = stateAt(hidden, starts);
    const endScores = masked(this.end.forward(hidden, unsqueeze(start, 1)), mask);
    const spans = mul(add(crossEntropy(startScores, starts), crossEntropy(endScores, ends)), 0.5);
    if (!inputs.cls_index || !inputs.is_impossible) return spans;
    const answerless = this.answerable.forward(start, stateAt(hidden, inputs.cls_index));
    const target = cast(inputs.is_impossible, hidden.dtype);
    return add(spans, mul(binaryCrossEntropy(answerless, target), 0.5));
  }

  /** The names are Hugging Face's, which calls these probabilities `log_probs`. */
  private beams({ hidden, mask }: Tokens, startScores: Node, { cls_index, attention_mask }: Inputs): Outputs {
    const { startNTop, endNTop, dModel } = this.config;
    const [batch, length] = startScores.shape as [Node["shape"][number], Node["shape"][number]];
    const startProbabilities = softmax(startScores);
    const starts = topK(startProbabilities, startNTop);
    const startStates = matmul(oneHot(starts.indices, length, hidden.dtype), hidden); // [B, S, D]
    const pairs = [batch, length, startNTop, dModel] as const;
    const tokens = broadcastTo(unsqueeze(hidden, 2), pairs);
    const endScores = masked(this.end.forward(tokens, unsqueeze(startStates, 1)), mask); // [B, T, S]
    const ends = topK(softmax(endScores, 1), endNTop, 1); // [B, E, S]
    const meanStart = squeeze(matmul(unsqueeze(startProbabilities, 1), hidden), 1);
    const text = cls_index ? stateAt(hidden, cls_index) : lastState(hidden, attention_mask);
    return {
      start_top_log_probs: starts.values,
      start_top_index: starts.indices,
      end_top_log_probs: reshape(ends.values, [batch, startNTop * endNTop]),
      end_top_index: reshape(ends.indices, [batch, startNTop * endNTop]),
      cls_logits: this.answerable.forward(meanStart, text),
    };
  }
}
