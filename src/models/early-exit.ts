/**
 * Classifiers on every layer, so that an input may be answered before the last one: PABEE.
 * Zhou et al. 2020, "BERT Loses Patience", https://arxiv.org/abs/2006.04152
 * B batch, T tokens, D hiddenSize, C labels, L layers.
 */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add, div, mul } from "../graph/ops/core.ts";
import { paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import type { ExitRule } from "../runtime/exit-rule.ts";
import { type ConfigJson, id2label, parseConfig, problemType } from "./config.ts";
import type { Architecture, Inputs, Model, Outputs } from "./model.ts";

/** A classifier that can be cut after any layer. */
export interface EarlyExitModel extends Model {
  readonly numLayers: number;
  /** → [B, T, D]. */
  embed(ctx: Context, inputs: Inputs): Node;
  /** hidden [B, T, D], bias [B, 1, 1, T] → [B, T, D]; layers count from 0. */
  layer(ctx: Context, at: number, hidden: Node, bias: Node | undefined): Node;
  /** What a layer's classifier says, [B, T, D] → [B, C]. */
  classify(ctx: Context, at: number, hidden: Node): Node;
}

export const isEarlyExit = (model: Model): model is EarlyExitModel => "classify" in model;

/**
 * The whole of the model: the last layer's `logits` and, with labels, the mean of all classifiers' losses by `lossOf`,
 * weighted by the number of the layer from 1. Captures `hidden_states.N` and `layer_logits.N`.
 */
export function allLayers(
  model: EarlyExitModel,
  ctx: Context,
  { labels, ...inputs }: Inputs,
  lossOf: (logits: Node, labels: Node) => Node,
): Outputs {
  let hidden = ctx.capture("hidden_states.0", model.embed(ctx, inputs));
  const bias = inputs.attention_mask && paddingBias(inputs.attention_mask, hidden.dtype);
  const logits: Node[] = [];
  for (let at = 0; at < model.numLayers; at++) {
    hidden = ctx.capture(`hidden_states.${at + 1}`, model.layer(ctx, at, hidden, bias));
    logits.push(ctx.capture(`layer_logits.${at}`, model.classify(ctx, at, hidden)));
  }
  const outputs = { logits: logits.at(-1)! };
  if (!labels) return outputs;
  const weighted = logits.map((scores, at) => mul(lossOf(scores, labels), at + 1));
  const totalWeight = (model.numLayers * (model.numLayers + 1)) / 2;
  return {
    loss: div(
      weighted.reduce((sum, part) => add(sum, part)),
      totalWeight,
    ),
    ...outputs,
  };
}

const exitSchema = z.object({
  /** Classifiers in a row that must agree with the one before them; 0: all layers are computed. */
  pabeePatience: z.number().int().min(0).default(0),
  /** Regression: numbers that differ by less agree. */
  pabeeRegressionThreshold: z.number().positive().default(0.1),
  id2label,
  problemType,
});

/**
 * When a row is done: by the config's patience unless one is given; undefined where all layers are computed.
 * @throws ConfigError when the config is not valid, or a patience is given for a model that cannot exit early.
 */
export function exitRuleOf(
  architecture: Architecture,
  json: ConfigJson,
  patience?: number,
): ExitRule | undefined {
  if (architecture.variant !== "early-exit") {
    if (patience === undefined) return undefined;
    throw notEarlyExit(architecture);
  }
  const given = patience === undefined ? json : { ...json, pabee_patience: patience };
  const config = parseConfig(exitSchema, given, architecture.name);
  if (config.pabeePatience === 0) return undefined;
  return {
    patience: config.pabeePatience,
    agreement: agreementOf(config),
    threshold: config.pabeeRegressionThreshold,
  };
}

function agreementOf({
  problemType: problem,
  id2label: { length },
}: z.infer<typeof exitSchema>): ExitRule["agreement"] {
  if (problem === "multi_label_classification") return "labels";
  return problem === "regression" || (!problem && length === 1) ? "number" : "label";
}

export const notEarlyExit = ({ name }: Architecture): ConfigError =>
  new ConfigError(
    `${name}: has no classifiers to exit early; leave out the patience, or train with --early-exit`,
  );
