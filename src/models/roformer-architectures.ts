/** RoFormer's classes by the names that `config.json` gives. */

import { crfArchitectures } from "./crf-tagger.ts";
import {
  architecturesOf,
  classLabels,
  type Family,
  spanLabels,
  textLabels,
  tokenInput,
  tokenLabels,
} from "./family.ts";
import { earlyExitArchitectures, RoFormerForSequenceClassificationWithPabee } from "./pabee.ts";
import {
  RoFormer,
  type RoFormerConfig,
  RoFormerForMaskedLM,
  RoFormerForMultipleChoice,
  RoFormerForQuestionAnswering,
  RoFormerForSequenceClassification,
  RoFormerForTokenClassification,
  RoFormerModel,
  roFormerConfigSchema,
  roFormerNames,
} from "./roformer.ts";
import { similarityArchitectures } from "./sentence-similarity.ts";
import { twoStreamArchitectures } from "./two-stream-qa.ts";

const inputs = [tokenInput("input_ids"), tokenInput("attention_mask"), tokenInput("token_type_ids")];

const family: Family<RoFormerConfig> = {
  modelType: "roformer",
  config: roFormerConfigSchema,
  names: roFormerNames,
  basePrefix: "roformer.",
  inputs,
  initialStd: ({ initializerRange }) => initializerRange,
};

const heads = architecturesOf(family, [
  { name: "RoFormerModel", task: "feature-extraction", build: RoFormerModel, isBare: true },
  { name: "RoFormerForMaskedLM", task: "fill-mask", build: RoFormerForMaskedLM, labels: tokenLabels },
  {
    name: "RoFormerForSequenceClassification",
    task: "text-classification",
    build: RoFormerForSequenceClassification,
    labels: classLabels,
  },
  {
    name: "RoFormerForTokenClassification",
    task: "token-classification",
    build: RoFormerForTokenClassification,
    labels: tokenLabels,
  },
  {
    name: "RoFormerForQuestionAnswering",
    task: "question-answering",
    build: RoFormerForQuestionAnswering,
    labels: spanLabels,
  },
  {
    name: "RoFormerForMultipleChoice",
    task: "multiple-choice",
    build: RoFormerForMultipleChoice,
    labels: textLabels,
    inputs: inputs.map(({ name }) => tokenInput(name, ["batch", "choices", "length"])),
  },
]);

export const roFormerArchitectures = [
  ...heads,
  ...similarityArchitectures(family, "RoFormerForSentenceSimilarity", RoFormer),
  ...twoStreamArchitectures(family, "RoFormerForTwoStreamQuestionAnswering", RoFormer, (config) => ({
    hiddenSize: config.hiddenSize,
    numHeads: config.numAttentionHeads,
    dropout: config.hiddenDropoutProb,
    epsilon: config.layerNormEps,
  })),
  ...crfArchitectures(family, "RoFormerCrfForTokenClassification", RoFormerForTokenClassification),
  ...earlyExitArchitectures(
    family,
    "RoFormerForSequenceClassificationWithPabee",
    RoFormerForSequenceClassificationWithPabee,
  ),
];
