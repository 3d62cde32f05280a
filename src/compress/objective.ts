/** What a student is to follow of its teacher where the user does not say: by task and by what fits. */

import { ConfigError } from "../errors.ts";
import type { ConfigJson, ProblemType } from "../models/config.ts";
import type { Architecture, TaskName } from "../models/model.ts";
import { architectureOf } from "../models/registry.ts";
import { declareInputs } from "../models/trace.ts";
import { Context } from "../nn/context.ts";
import { readLabels } from "../tasks/labels.ts";
import { type Distillation, lastHidden } from "../train/distillation.ts";
import type { Teacher } from "./teacher.ts";

/** Weights that the user gives in place of the defaults. */
export type DistillationFields = Partial<Omit<Distillation, "logits">>;

/** Heads over a vocabulary, whose texts are masked anew in every epoch. */
const vocabularyTasks: readonly TaskName[] = ["fill-mask", "pretraining", "text-generation"];

/** Whether inputs differ from epoch to epoch in so many ways that a teacher must be asked for every batch. */
export const isAlwaysAskedLive = (task: TaskName): boolean => vocabularyTasks.includes(task);

/** DistilBERT's weights, of its released training script. */
const pretraining = { temperature: 2, labels: 2, outputs: 5, hidden: 1, features: 0 };

/** Of a student of one task. */
const fineTuning = { temperature: 2, labels: 0.5, outputs: 0.5, hidden: 0, features: 0 };

/**
 * The objective of a student with this config. Hidden states are compared by default in pretraining alone, where they
 * have one width.
 * @throws ConfigError for a weight that is not a number from 0, or a temperature below 1.
 */
export function objectiveOf(config: ConfigJson, teacher: Teacher, fields: DistillationFields): Distillation {
  const { task } = architectureOf(config);
  const isPretraining = isAlwaysAskedLive(task);
  const defaults = isPretraining
    ? { ...pretraining, hidden: isOneWidth(config, teacher) ? 1 : 0 }
    : fineTuning;
  const known = Object.keys(fineTuning);
  for (const [name, value] of Object.entries(fields)) {
    const least = name === "temperature" ? 1 : 0;
    if (!known.includes(name) || typeof value !== "number" || !(value >= least)) {
      throw new ConfigError(
        `distil: ${name}=${value} must be one of ${known.join(", ")} with a number from 0, for temperature from 1`,
      );
    }
  }
  const { problemType } = readLabels(config, "student");
  return { ...defaults, ...fields, logits: logitsKind(problemType) };
}

const logitsKind = (problem: ProblemType): Distillation["logits"] =>
  problem === "regression" ? "number" : problem === "multi_label_classification" ? "sigmoid" : "softmax";

function isOneWidth(config: ConfigJson, teacher: Teacher): boolean {
  return widthOf(architectureOf(config), config) === widthOf(teacher.architecture, teacher.config);
}

/** Of a model's last hidden states. */
function widthOf(architecture: Architecture, config: ConfigJson): unknown {
  const ctx = Context.inference();
  const specs = architecture.inputs(config).filter(({ isLabel }) => !isLabel);
  architecture.build(config).forward(ctx, declareInputs(specs));
  return lastHidden(ctx.captured).shape.at(-1);
}
