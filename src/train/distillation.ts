/**
 * The objective of a student: its own loss of the labels, and how far it is from what a teacher gave for the same batch.
 * A batch brings the teacher's values among its inputs, their names behind `teacher.`: `logits`, `start_logits`,
 * `end_logits`, `image_embeds` or `text_embeds`, `hidden` [B, T, D], `features` [B, E], and `mask`, 1 where the teacher's
 * logits count. B batch, T tokens, C classes.
 */

import { ShapeError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add, div, mul, reshape, sum } from "../graph/ops/core.ts";
import { sigmoid } from "../graph/ops/math.ts";
import { mean } from "../graph/ops/reduce.ts";
import { cast, equal, where } from "../graph/ops/select.ts";
import { unsqueeze } from "../graph/ops/shape.ts";
import type { Inputs, Outputs } from "../models/model.ts";
import { forbidden } from "../nn/attention.ts";
import { cosineDistances, meanOver, similarityDistance, softenedDivergences } from "../nn/distillation.ts";
import { binaryCrossEntropy, meanSquaredError } from "../nn/losses.ts";
import { equalDims, showShape } from "../tensor/dims.ts";

/** Weights of the objective's parts; a part that a batch has no values for is left out. */
export interface Distillation {
  /** By which logits are divided before they are compared; 1 or more. */
  readonly temperature: number;
  /** Of the loss of the labels. */
  readonly labels: number;
  /** Of what the teacher answers: divergence of distributions, or cosine distance of embeddings. */
  readonly outputs: number;
  /** Of the cosine distance of the last hidden states, which must have one width and stand for the same tokens. */
  readonly hidden: number;
  /** Of the difference in which examples are found alike, by the mean of the last hidden states; any widths. */
  readonly features: number;
  /** What logits are: of one class among several, of each class by itself, or predicted numbers. */
  readonly logits: "softmax" | "sigmoid" | "number";
}

/** Before the names of a teacher's values. */
export const teacherPrefix = "teacher.";

/** A student's pass over a batch. */
export interface StudentPass {
  readonly outputs: Outputs;
  readonly captured: ReadonlyMap<string, Node>;
  readonly inputs: Inputs;
}

/** The weighted sum of all parts. */
export function distillationLoss(pass: StudentPass, distillation: Distillation): Node {
  const { labels, outputs, hidden, features } = distillation;
  const terms = distillationTerms(pass, distillation);
  const weighted = [
    pass.outputs.loss && mul(pass.outputs.loss, labels),
    terms.outputs && mul(terms.outputs, outputs),
    terms.hidden && mul(terms.hidden, hidden),
    terms.features && mul(terms.features, features),
  ];
  return weighted.filter((term) => term !== undefined).reduce((total, term) => add(total, term));
}

/** The parts by themselves, of weight 1. @throws ShapeError when teacher and student do not fit together. */
export function distillationTerms(
  { outputs, captured, inputs }: StudentPass,
  distillation: Pick<Distillation, "temperature" | "logits">,
): Partial<Record<"outputs" | "hidden" | "features", Node>> {
  const taught = (name: string): Node | undefined => inputs[teacherPrefix + name];
  const logits = outputs.logits ?? outputs.prediction_logits;
  const terms = [
    logits && taught("logits") && logitsLoss(logits, taught("logits")!, inputs, distillation),
    ...["start_logits", "end_logits"].map(
      (name) => outputs[name] && taught(name) && spanLoss(outputs[name], taught(name)!, inputs, distillation),
    ),
    ...["image_embeds", "text_embeds"].map(
      (name) => outputs[name] && taught(name) && mean(cosineDistances(outputs[name], taught(name)!)),
    ),
  ].filter((term) => term !== undefined);
  const [hidden, features] = [taught("hidden"), taught("features")];
  return {
    ...(terms.length > 0 && {
      outputs: div(
        terms.reduce((total, term) => add(total, term)),
        terms.length,
      ),
    }),
    ...(hidden && { hidden: hiddenLoss(lastHidden(captured), hidden, inputs) }),
    ...(features && {
      features: similarityDistance(pooledState(lastHidden(captured), inputs), features),
    }),
  };
}

/** Logits [B, C] of examples, [B, T, C] of tokens or [N, C] of tokens that are asked for. */
function logitsLoss(
  student: Node,
  teacher: Node,
  inputs: Inputs,
  { temperature, logits: kind }: Pick<Distillation, "temperature" | "logits">,
): Node {
  if (!student.shape.every((dim, axis) => equalDims(dim, teacher.shape[axis] ?? 0)))
    throw new ShapeError(
      `distillation: the student's logits are ${showShape(student.shape)}, the teacher's ${showShape(teacher.shape)}; give both the same labels and tokens`,
    );
  if (kind === "number") return meanSquaredError(student, teacher);
  if (kind === "sigmoid") return binaryCrossEntropy(student, sigmoid(teacher));
  const isOfTokens = student.rank === 3;
  const mask = inputs[`${teacherPrefix}mask`] ?? (isOfTokens ? inputs.attention_mask : undefined);
  return meanOver(softenedDivergences(student, teacher, temperature), mask);
}

/** Scores of positions [B, T], among which padding is none. */
function spanLoss(
  student: Node,
  teacher: Node,
  { attention_mask: mask }: Inputs,
  { temperature }: Pick<Distillation, "temperature">,
): Node {
  const among = (scores: Node): Node =>
    mask ? where(equal(mask, 1), scores, forbidden(scores.dtype) / 2) : scores;
  return mean(softenedDivergences(among(student), among(teacher), temperature));
}

function hiddenLoss(student: Node, teacher: Node, { attention_mask: mask }: Inputs): Node {
  if (student.rank !== teacher.rank || !student.shape.every((dim, at) => equalDims(dim, teacher.shape[at]!)))
    throw new ShapeError(
      `distillation: hidden states must fit, the student has ${showShape(student.shape)}, the teacher ${showShape(teacher.shape)}; set hidden to 0, or take features, which may differ`,
    );
  return meanOver(cosineDistances(student, teacher), mask);
}

/** What the last layer gives. @throws ShapeError for a model that captures none. */
export function lastHidden(captured: ReadonlyMap<string, Node>): Node {
  const found = [...captured.keys()]
    .filter((name) => /^hidden_states\.\d+$/.test(name))
    .sort((a, b) => Number(a.split(".")[1]) - Number(b.split(".")[1]))
    .at(-1);
  if (found !== undefined) return captured.get(found)!;
  throw new ShapeError(
    "distillation: this model has no hidden states to compare; set hidden and features to 0",
  );
}

/** One vector of an example: the mean of its tokens that count [B, T, D], or of all places of a map [B, D, H, W]. */
export function pooledState(hidden: Node, { attention_mask: mask }: Inputs): Node {
  if (hidden.rank === 4) return mean(hidden, [2, 3]);
  if (!mask) return mean(hidden, 1);
  const weights = unsqueeze(cast(mask, hidden.dtype), 2);
  const total = sum(mul(hidden, weights), 1);
  return div(total, reshape(sum(weights, 1), [hidden.shape[0]!, 1]));
}
