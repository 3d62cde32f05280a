/** Families whose sequence classifiers can exit early. */

import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { Bert, type BertConfig, BertPooler } from "./bert.ts";
import { allLayers, type EarlyExitModel } from "./early-exit.ts";
import { architecturesOf, classLabels, type Family } from "./family.ts";
import type { Architecture, Inputs, Outputs } from "./model.ts";

/** BERT with one pooler and a classifier for every layer. */
export class BertForSequenceClassificationWithPabee implements EarlyExitModel {
  readonly bert: Bert;
  readonly pooler: BertPooler;
  readonly classifiers: readonly Linear[];

  /** @throws ConfigError without layers. */
  constructor(
    init: Init,
    private readonly config: BertConfig,
  ) {
    const { numHiddenLayers, hiddenSize, id2label } = config;
    if (numHiddenLayers === 0)
      throw new ConfigError("early exit: num_hidden_layers must be 1 or more, got 0");
    this.bert = new Bert(init, config);
    this.pooler = new BertPooler(init, config);
    this.classifiers = this.bert.layers.map(() => new Linear(init, hiddenSize, id2label.length));
  }

  get numLayers(): number {
    return this.classifiers.length;
  }

  /** `labels` as in `BertForSequenceClassification`. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    return allLayers(this, ctx, inputs, this.config.problemType);
  }

  embed(ctx: Context, inputs: Inputs): Node {
    return this.bert.embeddings.forward(ctx, inputs);
  }

  layer(ctx: Context, at: number, hidden: Node, bias: Node | undefined): Node {
    return this.bert.layers[at]!.forward(ctx, hidden, bias, `attentions.${at}`);
  }

  /** Captures `pooler_output.N`. */
  classify(ctx: Context, at: number, hidden: Node): Node {
    const { classifierDropout, hiddenDropoutProb } = this.config;
    const pooled = ctx.capture(`pooler_output.${at}`, this.pooler.forward(hidden));
    return this.classifiers[at]!.forward(ctx.dropout(pooled, classifierDropout ?? hiddenDropoutProb));
  }
}

/** The early-exit architecture of a family, its classifiers named as the paper's code names them. */
export const earlyExitArchitectures = <Config extends Parameters<typeof classLabels>[0]>(
  family: Family<Config>,
  name: string,
  build: new (init: Init, config: Config) => EarlyExitModel,
): Architecture[] =>
  architecturesOf({ ...family, names: { ...family.names, "classifiers.{i}": "classifiers.{i}" } }, [
    { name, task: "text-classification", variant: "early-exit", build, labels: classLabels },
  ]);
