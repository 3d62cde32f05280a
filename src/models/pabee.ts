/**
 * Families whose classifiers can exit early. All layers share what stands before the classifier (a pooler, a dense layer or
 * the final norm), as in the paper's code for BERT; a linear classifier is each layer's own.
 */

import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { activations } from "../graph/ops/activation.ts";
import { relu } from "../graph/ops/math.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { Bert, type BertConfig, BertPooler } from "./bert.ts";
import type { ProblemType } from "./config.ts";
import { DistilBert, type DistilBertConfig } from "./distilbert.ts";
import { allLayers, type EarlyExitModel } from "./early-exit.ts";
import { architecturesOf, classLabels, type Family, type ModelClass } from "./family.ts";
import { classificationLoss } from "./heads.ts";
import { imageLabels, imageLoss, pixelsOf } from "./image-heads.ts";
import { requiredInput } from "./inputs.ts";
import type { Architecture, Inputs, Outputs } from "./model.ts";
import { RoFormer, type RoFormerConfig } from "./roformer.ts";
import { firstState } from "./token-states.ts";
import { plainlyPooled, Vit } from "./vit.ts";
import type { VitConfig } from "./vit-layers.ts";

/** A classifier for every layer. @throws ConfigError without layers. */
function classifiersOf(init: Init, numLayers: number, hiddenSize: number, numLabels: number): Linear[] {
  if (numLayers === 0) throw new ConfigError("early exit: the model must have 1 layer or more, got 0");
  return Array.from({ length: numLayers }, () => new Linear(init, hiddenSize, numLabels));
}

type Loss = (logits: Node, labels: Node) => Node;

/** What all families share; `lossOf` is that of one classifier, with labels as the plain class takes them. */
abstract class ClassifierWithPabee implements EarlyExitModel {
  abstract readonly classifiers: readonly Linear[];

  constructor(private readonly lossOf: Loss) {}

  get numLayers(): number {
    return this.classifiers.length;
  }

  forward(ctx: Context, inputs: Inputs): Outputs {
    return allLayers(this, ctx, inputs, this.lossOf);
  }

  abstract embed(ctx: Context, inputs: Inputs): Node;
  abstract layer(ctx: Context, at: number, hidden: Node, bias: Node | undefined): Node;
  abstract classify(ctx: Context, at: number, hidden: Node): Node;
}

const textLoss =
  ({ problemType }: { readonly problemType?: ProblemType }): Loss =>
  (logits, labels) =>
    classificationLoss(logits, labels, problemType);

/** BERT with one pooler and a classifier for every layer. */
export class BertForSequenceClassificationWithPabee extends ClassifierWithPabee {
  readonly bert: Bert;
  readonly pooler: BertPooler;
  readonly classifiers: readonly Linear[];

  constructor(
    init: Init,
    private readonly config: BertConfig,
  ) {
    super(textLoss(config));
    const { numHiddenLayers, hiddenSize, id2label } = config;
    this.bert = new Bert(init, config);
    this.pooler = new BertPooler(init, config);
    this.classifiers = classifiersOf(init, numHiddenLayers, hiddenSize, id2label.length);
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

/** DistilBERT; the dense layer before the classifier is shared. */
export class DistilBertForSequenceClassificationWithPabee extends ClassifierWithPabee {
  readonly distilbert: DistilBert;
  readonly preClassifier: Linear;
  readonly classifiers: readonly Linear[];

  constructor(
    init: Init,
    private readonly config: DistilBertConfig,
  ) {
    super(textLoss(config));
    const { nLayers, dim, id2label } = config;
    this.distilbert = new DistilBert(init, config);
    this.preClassifier = new Linear(init, dim, dim);
    this.classifiers = classifiersOf(init, nLayers, dim, id2label.length);
  }

  embed(ctx: Context, inputs: Inputs): Node {
    return this.distilbert.embeddings.forward(ctx, requiredInput(inputs, "input_ids", "DistilBERT"));
  }

  layer(ctx: Context, at: number, hidden: Node, bias: Node | undefined): Node {
    return this.distilbert.layers[at]!.forward(ctx, hidden, bias, `attentions.${at}`);
  }

  classify(ctx: Context, at: number, hidden: Node): Node {
    const features = relu(this.preClassifier.forward(firstState(hidden)));
    return this.classifiers[at]!.forward(ctx.dropout(features, this.config.seqClassifDropout));
  }
}

/** RoFormer; the dense layer before the classifier is shared. */
export class RoFormerForSequenceClassificationWithPabee extends ClassifierWithPabee {
  readonly roformer: RoFormer;
  readonly textHead: { readonly dense: Linear };
  readonly classifiers: readonly Linear[];

  /** @throws ConfigError for `classifier_pooling` other than the first token: no stage but the first has the mask. */
  constructor(
    init: Init,
    private readonly config: RoFormerConfig,
  ) {
    super(textLoss(config));
    const { numHiddenLayers, hiddenSize, id2label, classifierPooling } = config;
    if (classifierPooling === "mean")
      throw new ConfigError('early exit: classifier_pooling must be "first", got "mean"');
    this.roformer = new RoFormer(init, config);
    this.textHead = { dense: new Linear(init, hiddenSize, hiddenSize) };
    this.classifiers = classifiersOf(init, numHiddenLayers, hiddenSize, id2label.length);
  }

  embed(ctx: Context, inputs: Inputs): Node {
    return this.roformer.embed(ctx, inputs);
  }

  layer(ctx: Context, at: number, hidden: Node, bias: Node | undefined): Node {
    return this.roformer.runLayer(ctx, at, hidden, bias);
  }

  classify(ctx: Context, at: number, hidden: Node): Node {
    const { hiddenAct, hiddenDropoutProb: dropout } = this.config;
    const features = activations[hiddenAct](
      this.textHead.dense.forward(ctx.dropout(firstState(hidden), dropout)),
    );
    return this.classifiers[at]!.forward(ctx.dropout(features, dropout));
  }
}

/** ViT and DeiT; the final norm is shared. */
abstract class VitWithPabee extends ClassifierWithPabee {
  readonly classifiers: readonly Linear[];

  /** @throws ConfigError for a head that is more than a linear classifier. */
  constructor(
    init: Init,
    private readonly config: VitConfig,
    readonly vit: Vit,
  ) {
    super((logits, labels) => imageLoss(logits, labels, config));
    const { numHiddenLayers, hiddenSize, id2label, pooling, batchNormHead } = config;
    if (pooling === "attention" || batchNormHead)
      throw new ConfigError('early exit: pooling must be "class" or "mean", without batch_norm_head');
    this.classifiers = classifiersOf(init, numHiddenLayers, hiddenSize, id2label.length);
  }

  embed(ctx: Context, inputs: Inputs): Node {
    return this.vit.embeddings.forward(ctx, pixelsOf("ViT", inputs));
  }

  layer(ctx: Context, at: number, hidden: Node): Node {
    return this.vit.layers[at]!.forward(ctx, hidden, `attentions.${at}`);
  }

  classify(_: Context, at: number, hidden: Node): Node {
    return this.classifiers[at]!.forward(plainlyPooled(this.vit.norm.forward(hidden), this.config.pooling));
  }
}

export class ViTForImageClassificationWithPabee extends VitWithPabee {
  constructor(init: Init, config: VitConfig) {
    super(init, config, new Vit(init, config));
  }
}

export class DeiTForImageClassificationWithPabee extends VitWithPabee {
  constructor(init: Init, config: VitConfig) {
    super(init, config, new Vit(init, config, true));
  }
}

type Build<Config> = new (init: Init, config: Config) => EarlyExitModel;

/** The early-exit form of a family's class, its classifiers named as the paper's code names them. */
const withClassifiers = <Config>(
  family: Family<Config>,
  entry: Omit<ModelClass<Config>, "variant"> & { readonly build: Build<Config> },
): Architecture[] =>
  architecturesOf({ ...family, names: { ...family.names, "classifiers.{i}": "classifiers.{i}" } }, [
    { ...entry, variant: "early-exit" },
  ]);

/** Of texts. */
export const earlyExitArchitectures = <Config extends Parameters<typeof classLabels>[0]>(
  family: Family<Config>,
  name: string,
  build: Build<Config>,
): Architecture[] =>
  withClassifiers(family, { name, task: "text-classification", build, labels: classLabels });

/** Of pictures. */
export const earlyExitImageArchitectures = (
  family: Family<VitConfig>,
  name: string,
  build: Build<VitConfig>,
): Architecture[] =>
  withClassifiers(family, { name, task: "image-classification", build, labels: imageLabels });
