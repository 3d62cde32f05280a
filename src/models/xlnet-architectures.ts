/** XLNet's classes by the names that `config.json` gives. */

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
import { twoStreamArchitectures } from "./two-stream-qa.ts";
import { XLNet, type XLNetConfig, xlnetConfigSchema } from "./xlnet.ts";
import {
  XLNetForMultipleChoice,
  XLNetForQuestionAnsweringSimple,
  XLNetForSequenceClassification,
  XLNetForTokenClassification,
  XLNetLMHeadModel,
  XLNetModel,
  xlnetNames,
} from "./xlnet-heads.ts";
import { XLNetForQuestionAnswering } from "./xlnet-qa.ts";

const inputs = [tokenInput("input_ids"), tokenInput("attention_mask"), tokenInput("token_type_ids")];

const family: Family<XLNetConfig> = {
  modelType: "xlnet",
  config: xlnetConfigSchema,
  names: xlnetNames,
  basePrefix: "transformer.",
  inputs,
  initialStd: ({ initializerRange }) => initializerRange,
};

const heads = architecturesOf(family, [
  { name: "XLNetModel", task: "feature-extraction", build: XLNetModel, isBare: true },
  { name: "XLNetLMHeadModel", task: "fill-mask", build: XLNetLMHeadModel, labels: tokenLabels },
  {
    name: "XLNetForSequenceClassification",
    task: "text-classification",
    build: XLNetForSequenceClassification,
    labels: classLabels,
  },
  {
    name: "XLNetForTokenClassification",
    task: "token-classification",
    build: XLNetForTokenClassification,
    labels: tokenLabels,
  },
  {
    name: "XLNetForQuestionAnsweringSimple",
    task: "question-answering",
    build: XLNetForQuestionAnsweringSimple,
    labels: spanLabels,
  },
  {
    name: "XLNetForQuestionAnswering",
    task: "question-answering",
    variant: "start-then-end",
    build: XLNetForQuestionAnswering,
    labels: spanLabels,
  },
  {
    name: "XLNetForMultipleChoice",
    task: "multiple-choice",
    build: XLNetForMultipleChoice,
    labels: textLabels,
    inputs: inputs.map(({ name }) => tokenInput(name, ["batch", "choices", "length"])),
  },
]);

export const xlnetArchitectures = [
  ...heads,
  ...twoStreamArchitectures(
    family,
    "XLNetForTwoStreamQuestionAnswering",
    XLNet,
    ({ dModel, nHead, dropout, layerNormEps }) => ({
      hiddenSize: dModel,
      numHeads: nHead,
      dropout,
      epsilon: layerNormEps,
    }),
  ),
  ...crfArchitectures(family, "XLNetCrfForTokenClassification", XLNetForTokenClassification),
];
