/** DistilBERT's classes by the names that `config.json` gives. */

import { crfArchitectures } from "./crf-tagger.ts";
import {
  DistilBert,
  type DistilBertConfig,
  DistilBertForMaskedLM,
  DistilBertForMultipleChoice,
  DistilBertForQuestionAnswering,
  DistilBertForSequenceClassification,
  DistilBertForTokenClassification,
  DistilBertModel,
  distilBertConfigSchema,
  distilBertNames,
  epsilon,
} from "./distilbert.ts";
import {
  architecturesOf,
  classLabels,
  type Family,
  spanLabels,
  textLabels,
  tokenInput,
  tokenLabels,
} from "./family.ts";
import { DistilBertForSequenceClassificationWithPabee, earlyExitArchitectures } from "./pabee.ts";
import { similarityArchitectures } from "./sentence-similarity.ts";
import { twoStreamArchitectures } from "./two-stream-qa.ts";

const inputs = [tokenInput("input_ids"), tokenInput("attention_mask")];

const family: Family<DistilBertConfig> = {
  modelType: "distilbert",
  config: distilBertConfigSchema,
  names: distilBertNames,
  basePrefix: "distilbert.",
  inputs,
  initialStd: ({ initializerRange }) => initializerRange,
};

const heads = architecturesOf(family, [
  { name: "DistilBertModel", task: "feature-extraction", build: DistilBertModel, isBare: true },
  { name: "DistilBertForMaskedLM", task: "fill-mask", build: DistilBertForMaskedLM, labels: tokenLabels },
  {
    name: "DistilBertForSequenceClassification",
    task: "text-classification",
    build: DistilBertForSequenceClassification,
    labels: classLabels,
  },
  {
    name: "DistilBertForTokenClassification",
    task: "token-classification",
    build: DistilBertForTokenClassification,
    labels: tokenLabels,
  },
  {
    name: "DistilBertForQuestionAnswering",
    task: "question-answering",
    build: DistilBertForQuestionAnswering,
    labels: spanLabels,
  },
  {
    name: "DistilBertForMultipleChoice",
    task: "multiple-choice",
    build: DistilBertForMultipleChoice,
    labels: textLabels,
    inputs: inputs.map(({ name }) => tokenInput(name, ["batch", "choices", "length"])),
  },
]);

export const distilBertArchitectures = [
  ...heads,
  ...similarityArchitectures(family, "DistilBertForSentenceSimilarity", DistilBert),
  ...twoStreamArchitectures(
    family,
    "DistilBertForTwoStreamQuestionAnswering",
    DistilBert,
    ({ dim, nHeads, dropout }) => ({ hiddenSize: dim, numHeads: nHeads, dropout, epsilon }),
  ),
  ...crfArchitectures(family, "DistilBertCrfForTokenClassification", DistilBertForTokenClassification),
  ...earlyExitArchitectures(
    family,
    "DistilBertForSequenceClassificationWithPabee",
    DistilBertForSequenceClassificationWithPabee,
  ),
];
