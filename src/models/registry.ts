/** Every architecture by the class name that `config.json` gives. */

import { ConfigError } from "../errors.ts";
import { Init } from "../nn/module.ts";
import { type NameMap, NameTable } from "../weights/names.ts";
import {
  type BertConfig,
  BertForMaskedLM,
  BertForMultipleChoice,
  BertForNextSentencePrediction,
  BertForPreTraining,
  BertForQuestionAnswering,
  BertForSequenceClassification,
  BertForTokenClassification,
  BertModel,
  bertConfigSchema,
  bertNames,
} from "./bert.ts";
import { type ConfigJson, parseConfig } from "./config.ts";
import type { Architecture, InputSpec, Model, TaskName } from "./model.ts";

const tokens = (name: string, axes: readonly string[] = ["batch", "length"]): InputSpec => ({
  name,
  dtype: "int64",
  axes,
});
const label = (
  name: string,
  axes: readonly (string | number)[],
  dtype: InputSpec["dtype"] = "int64",
): InputSpec => ({
  name,
  dtype,
  axes,
  isLabel: true,
});
const textInputs = [tokens("input_ids"), tokens("attention_mask"), tokens("token_type_ids")];
const choiceInputs = textInputs.map(({ name }) => tokens(name, ["batch", "choices", "length"]));

type BertClass = new (init: Init, config: BertConfig) => Model;

function bertArchitecture(
  name: string,
  task: TaskName,
  Class: BertClass,
  labels: readonly InputSpec[] | ((config: BertConfig) => readonly InputSpec[]) = [],
  names: NameMap = bertNames,
): Architecture {
  const configOf = (json: ConfigJson): BertConfig => parseConfig(bertConfigSchema, json, name);
  const texts = Class === BertForMultipleChoice ? choiceInputs : textInputs;
  return {
    name,
    modelType: "bert",
    task,
    names: new NameTable(name, names),
    basePrefix: "bert.",
    build: (json, init) => {
      const config = configOf(json);
      return new Class(init ?? new Init(config.initializerRange), config);
    },
    inputs: (json) => [...texts, ...(typeof labels === "function" ? labels(configOf(json)) : labels)],
  };
}

/** Labels of a sequence classifier as its problem wants them. */
const classLabels = ({ problemType, id2label }: BertConfig): InputSpec[] => {
  if (problemType === "multi_label_classification")
    return [label("labels", ["batch", id2label.length], "float32")];
  const isRegression = problemType === "regression" || (!problemType && id2label.length === 1);
  return isRegression ? [label("labels", ["batch"], "float32")] : [label("labels", ["batch"])];
};

const tokenLabels = [label("labels", ["batch", "length"])];
const bareNames = Object.fromEntries(
  Object.entries(bertNames)
    .filter(([, hub]) => hub.startsWith("bert."))
    .map(([ours, hub]) => [ours, hub.slice("bert.".length)]),
);

const architectures: readonly Architecture[] = [
  bertArchitecture("BertModel", "feature-extraction", BertModel, [], bareNames),
  bertArchitecture("BertForPreTraining", "pretraining", BertForPreTraining, [
    ...tokenLabels,
    label("next_sentence_label", ["batch"]),
  ]),
  bertArchitecture("BertForMaskedLM", "fill-mask", BertForMaskedLM, tokenLabels),
  bertArchitecture(
    "BertForNextSentencePrediction",
    "next-sentence-prediction",
    BertForNextSentencePrediction,
    [label("labels", ["batch"])],
  ),
  bertArchitecture(
    "BertForSequenceClassification",
    "text-classification",
    BertForSequenceClassification,
    classLabels,
  ),
  bertArchitecture(
    "BertForTokenClassification",
    "token-classification",
    BertForTokenClassification,
    tokenLabels,
  ),
  bertArchitecture("BertForQuestionAnswering", "question-answering", BertForQuestionAnswering, [
    label("start_positions", ["batch"]),
    label("end_positions", ["batch"]),
  ]),
  bertArchitecture("BertForMultipleChoice", "multiple-choice", BertForMultipleChoice, [
    label("labels", ["batch"]),
  ]),
];

const byName = new Map(architectures.map((architecture) => [architecture.name, architecture]));

export const architectureNames = (): string[] => [...byName.keys()];

/** The architecture a config names. @throws ConfigError, code "unsupported", when it is not one of ours. */
export function architectureOf(json: ConfigJson, where = "config.json"): Architecture {
  const names = Array.isArray(json.architectures) ? (json.architectures as unknown[]) : [];
  const found = names.map((name) => byName.get(String(name))).find((known) => known !== undefined);
  if (found) return found;
  const given =
    names.length > 0
      ? `architecture ${names.join(", ")}`
      : `model_type ${String(json.model_type ?? "(none)")}`;
  throw new ConfigError(`${where}: ${given} is not supported; known are ${[...byName.keys()].join(", ")}`, {
    code: "unsupported",
  });
}

/** The architecture of a family (`model_type`) that serves a task. @throws ConfigError when the family has none. */
export function architectureFor(modelType: string, task: TaskName): Architecture {
  const found = architectures.find((known) => known.modelType === modelType && known.task === task);
  if (found) return found;
  throw new ConfigError(`${modelType}: has no architecture for the task ${task}`, { code: "unsupported" });
}
