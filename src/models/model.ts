/** What every model family gives: how to read its config, build it, name its weights and feed it. */

import type { Node } from "../graph/node.ts";
import type { Context } from "../nn/context.ts";
import type { Init } from "../nn/module.ts";
import type { DType } from "../tensor/dtype.ts";
import type { NameTable } from "../weights/names.ts";
import type { ConfigJson } from "./config.ts";

export type Inputs = Readonly<Record<string, Node | undefined>>;
export type Outputs = Readonly<Record<string, Node>>;

/** A model describes a graph; it never runs one. Labels among the inputs add a scalar `loss` to the outputs. */
export interface Model {
  forward(ctx: Context, inputs: Inputs): Outputs;
}

/** One input of `forward`. Axes are names of symbolic dimensions or fixed sizes. */
export interface InputSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly axes: readonly (string | number)[];
  /** Labels are fed in training and evaluation only. */
  readonly isLabel?: boolean;
}

/** What users ask of a model; the names are Hugging Face's. */
export type TaskName =
  | "text-classification"
  | "token-classification"
  | "question-answering"
  | "fill-mask"
  | "text-generation"
  | "translation"
  | "feature-extraction"
  | "sentence-similarity"
  | "multiple-choice"
  | "pretraining"
  | "next-sentence-prediction"
  | "image-classification"
  | "image-feature-extraction"
  | "masked-image-modeling"
  | "zero-shot-image-classification"
  | "image-to-text"
  | "visual-question-answering"
  | "image-text-retrieval"
  | "image-text-pretraining"
  | "image-text-to-text";

/**
 * Another head for the same task: tags under a CRF, a classifier on every layer, question and passage that attend to
 * each other before an answer is scored, ends that are scored given a start, or a second classifier that follows a
 * teacher.
 */
export type Variant = "crf" | "early-exit" | "two-stream" | "start-then-end" | "with-teacher";

/** One class name of `config.json`'s `architectures`. */
export interface Architecture {
  readonly name: string;
  readonly modelType: string;
  readonly task: TaskName;
  readonly variant?: Variant | undefined;
  /** @throws ConfigError when the config does not hold. */
  build(json: ConfigJson, init?: Init): Model;
  readonly names: NameTable;
  /** Prefix of the names that checkpoints of the bare encoder lack. */
  readonly basePrefix: string;
  inputs(json: ConfigJson): readonly InputSpec[];
}
