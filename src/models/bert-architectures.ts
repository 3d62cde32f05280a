/** BERT's classes by the names that `config.json` gives. */

import {
  Bert,
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
import { crfArchitectures } from "./crf-tagger.ts";
import {
  architecturesOf,
  classLabels,
  type Family,
  labelInput,
  spanLabels,
  textLabels,
  tokenInput,
  tokenLabels,
} from "./family.ts";
import { BertForSequenceClassificationWithPabee, earlyExitArchitectures } from "./pabee.ts";

import { similarityArchitectures } from "./sentence-similarity.ts";
import { twoStreamArchitectures } from "./two-stream-qa.ts";

const inputs = [tokenInput("input_ids"), tokenInput("attention_mask"), tokenInput("token_type_ids")];

const family: Family<BertConfig> = {
  modelType: "bert",
  config: bertConfigSchema,
  names: bertNames,
  basePrefix: "bert.",
  inputs,
  initialStd: ({ initializerRange }) => initializerRange,
};

const heads = architecturesOf(family, [
  { name: "BertModel", task: "feature-extraction", build: BertModel, isBare: true },
  {
    name: "BertForPreTraining",
    task: "pretraining",
    build: BertForPreTraining,
    labels: [...tokenLabels, labelInput("next_sentence_label", ["batch"])],
  },
  { name: "BertForMaskedLM", task: "fill-mask", build: BertForMaskedLM, labels: tokenLabels },
  {
    name: "BertForNextSentencePrediction",
    task: "next-sentence-prediction",
    build: BertForNextSentencePrediction,
    labels: textLabels,
  },
  {
    name: "BertForSequenceClassification",
    task: "text-classification",
    build: BertForSequenceClassification,
    labels: classLabels,
  },
  {
    name: "BertForTokenClassification",
    task: "token-classification",
    build: BertForTokenClassification,
    labels: tokenLabels,
  },
  {
    name: "BertForQuestionAnswering",
    task: "question-answering",
    build: BertForQuestionAnswering,
    labels: spanLabels,
  },
  {
    name: "BertForMultipleChoice",
    task: "multiple-choice",
    build: BertForMultipleChoice,
    labels: textLabels,
    inputs: inputs.map(({ name }) => tokenInput(name, ["batch", "choices", "length"])),
  },
]);

export const bertArchitectures = [
  ...heads,
  ...similarityArchitectures(family, "BertForSentenceSimilarity", Bert),
  ...twoStreamArchitectures(family, "BertForTwoStreamQuestionAnswering", Bert, (config) => ({
    hiddenSize: config.hiddenSize,
    numHeads: config.numAttentionHeads,
    dropout: config.hiddenDropoutProb,
    epsilon: config.layerNormEps,
  })),
  ...crfArchitectures(family, "BertCrfForTokenClassification", BertForTokenClassification),
  ...earlyExitArchitectures(
    family,
    "BertForSequenceClassificationWithPabee",
    BertForSequenceClassificationWithPabee,
  ),
];
