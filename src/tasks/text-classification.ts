/** One label, several labels or a number for a text or a pair of texts. C classes. */

import { z } from "zod";
import type { ClassificationExample } from "../data/examples.ts";
import { labelsOf } from "../data/labels.ts";
import type { LabelKind } from "../data/records.ts";
import { ConfigError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import { Tensor } from "../tensor/tensor.ts";
import { classReport, multiClassReport } from "../train/metrics/class-report.ts";
import {
  accuracy,
  binaryF1,
  countClasses,
  macroF1,
  matthews,
  microF1,
} from "../train/metrics/classification.ts";
import { meanSquaredError, pearson, spearman } from "../train/metrics/correlation.ts";
import type { Evaluator } from "../train/task.ts";
import { CountingEncoder, type DataRecipe, encodedDataset, rowEvaluator } from "./dataset.ts";
import { labelFields, readLabels } from "./labels.ts";
import type { AnswerTask } from "./predictor.ts";
import { argmax, rowAt, sigmoid, softmax, topIndices } from "./scores.ts";

export interface LabelScore {
  readonly label: string;
  /** A probability, or the predicted number itself in regression. */
  readonly score: number;
}

type Problem = "regression" | "single_label_classification" | "multi_label_classification";

const problems: Record<LabelKind, Problem> = {
  regression: "regression",
  single: "single_label_classification",
  multi: "multi_label_classification",
};

/** What the labels of a model with this config are. */
export function labelKindOf(config: ConfigJson): LabelKind {
  const found = Object.entries(problems).find(([, problem]) => problem === config.problem_type);
  return (found?.[0] as LabelKind | undefined) ?? "single";
}

function configOf(examples: readonly ClassificationExample[]): ConfigJson {
  const kinds = new Set(examples.map(({ label }) => kindOf(label)));
  const [kind] = kinds;
  if (kinds.size !== 1 || !kind) {
    throw new ConfigError(`text-classification: labels must be of one kind, got ${[...kinds].join(" and ")}`);
  }
  const labels = kind === "regression" ? ["LABEL_0"] : labelsOf(examples);
  if (kind === "single" && labels.length < 2) {
    throw new ConfigError(
      `text-classification: there must be two labels or more, got ${labels.join() || "none"}`,
    );
  }
  return { ...labelFields(labels), problem_type: problems[kind] };
}

const kindOf = (label: ClassificationExample["label"]): LabelKind =>
  typeof label === "number" ? "regression" : Array.isArray(label) ? "multi" : "single";

const bestMetrics: Record<LabelKind, string> = {
  regression: "pearson",
  single: "accuracy",
  multi: "f1_micro",
};

export const classificationData: DataRecipe<ClassificationExample> = {
  name: "text-classification",
  defaultLength: 128,
  configOf,
  bestMetric: (config) => bestMetrics[labelKindOf(config)],
  datasetOf(examples, config, setup) {
    const encoder = new CountingEncoder(setup);
    const items = examples.map(({ text, textPair }) => encoder.encode(text, textPair));
    const targets = targetsOf(examples, config);
    return encodedDataset(items, {
      padId: setup.tokenizer.padId,
      truncated: encoder.truncated,
      labels: (indices) => ({ labels: targets.tensor(indices) }),
      evaluator: () => targets.evaluator(),
    });
  },
};

/** What a data set's items are labelled with. */
interface Targets {
  /** int64 [B] for one label, float32 [B, C] for several, float32 [B] for numbers. */
  tensor(indices: readonly number[]): Tensor;
  evaluator(): Evaluator;
}

function targetsOf(examples: readonly ClassificationExample[], config: ConfigJson): Targets {
  const kind = labelKindOf(config);
  if (kind === "regression") return numberTargets(examples.map(({ label }) => Number(label)));
  const { id2label } = readLabels(config, "text-classification");
  const classes = examples.map(({ label }) =>
    [label].flat().map((name) => classOf(String(name), id2label, "text-classification")),
  );
  return kind === "multi"
    ? multiTargets(classes, id2label)
    : singleTargets(
        classes.map(([only]) => only!),
        id2label,
      );
}

/**
 * A label by its name, or by its number as in data made for a model whose classes have names.
 * @throws ConfigError (code `data`) for any other.
 */
export function classOf(name: string, labels: readonly string[], task: string): number {
  const at = labels.indexOf(name);
  if (at >= 0) return at;
  if (/^\d+$/.test(name) && Number(name) < labels.length) return Number(name);
  throw new ConfigError(
    `${task}: the label "${name}" is not one of the model's: ${labels.slice(0, 20).join(", ")}`,
    { code: "data" },
  );
}

/** Scores of one predicted class for each item, of `count` classes. */
export function classScores(
  predicted: readonly number[],
  actual: readonly number[],
  count: number,
): Record<string, number> {
  const [own, truth] = [predicted, actual].map((values) => values.map((value) => [value]));
  return {
    accuracy: accuracy(predicted, actual),
    ...(count === 2 && { f1: binaryF1(predicted, actual) }),
    f1_macro: macroF1(countClasses(own!, truth!)),
    matthews: matthews(predicted, actual),
  };
}

function numberTargets(numbers: readonly number[]): Targets {
  return {
    tensor: (indices) =>
      Tensor.from(
        "float32",
        [indices.length],
        indices.map((at) => numbers[at]!),
      ),
    evaluator: () =>
      rowEvaluator(
        numbers,
        ([value]) => value!,
        (predicted, actual) => ({
          pearson: pearson(predicted, actual),
          spearman: spearman(predicted, actual),
          mse: meanSquaredError(predicted, actual),
        }),
      ),
  };
}

function singleTargets(classes: readonly number[], labels: readonly string[]): Targets {
  return {
    tensor: (indices) =>
      Tensor.from(
        "int64",
        [indices.length],
        indices.map((at) => classes[at]!),
      ),
    evaluator: () =>
      rowEvaluator(
        classes,
        argmax,
        (predicted, actual) => classScores(predicted, actual, labels.length),
        (predicted, actual) => classReport(labels, predicted, actual),
      ),
  };
}

/** Labels with a probability above one half count as predicted. */
function multiTargets(classes: readonly number[][], labels: readonly string[]): Targets {
  const count = labels.length;
  return {
    tensor(indices) {
      const tensor = Tensor.zeros("float32", [indices.length, count]);
      for (const [row, at] of indices.entries()) {
        for (const label of classes[at]!) tensor.data[row * count + label] = 1;
      }
      return tensor;
    },
    evaluator: () =>
      rowEvaluator(
        classes,
        (row) => [...row.keys()].filter((at) => row[at]! > 0),
        (predicted, actual) => {
          const counts = countClasses(predicted, actual);
          const isExact = (at: number): boolean =>
            predicted[at]!.join() === [...actual[at]!].sort((a, b) => a - b).join();
          return {
            f1_micro: microF1(counts),
            f1_macro: macroF1(counts),
            accuracy: actual.filter((_, at) => isExact(at)).length / actual.length,
          };
        },
        (predicted, actual) => multiClassReport(labels, predicted, actual),
      ),
  };
}

/** A text, or a text and its pair. */
const input = z.union([
  z.string().transform((text) => ({ text, text_pair: undefined })),
  z.strictObject({ text: z.string(), text_pair: z.string().optional() }),
]);

const options = z.strictObject({
  /** Labels that are named, best first; null: all. Default 1. */
  top_k: z.int().min(1).nullable().default(1),
});

export const classificationAnswers: AnswerTask<
  { text: string; text_pair?: string | undefined },
  z.infer<typeof options>,
  LabelScore[]
> = {
  outputs: () => [["logits"]],
  input,
  options,
  async answer(model, { text, text_pair }, { top_k }) {
    const [logits] = await model.run(model.tokenizer.encode(text, text_pair, { maxLength: model.maxLength }));
    const scores = labelScores(rowAt(logits!, 0), model.problemType ?? undefined);
    return topIndices(scores, top_k ?? scores.length).map((at) => ({
      label: model.id2label[at] ?? `LABEL_${at}`,
      score: scores[at]!,
    }));
  },
};

/** Scores of logits, as in Python's transformers: one logit without a problem type is a probability too. */
export function labelScores(logits: readonly number[], problem: Problem | undefined): number[] {
  if (problem === "regression") return [...logits];
  const isIndependent = problem === "multi_label_classification" || logits.length === 1;
  return isIndependent ? logits.map(sigmoid) : softmax(logits);
}
