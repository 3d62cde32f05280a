/** GPT-2's classes by the names that `config.json` gives. */

import { architecturesOf, classLabels, type Family, tokenInput, tokenLabels } from "./family.ts";
import {
  type Gpt2Config,
  Gpt2ForSequenceClassification,
  Gpt2ForTokenClassification,
  Gpt2LMHeadModel,
  Gpt2Model,
  gpt2ConfigSchema,
  gpt2Names,
} from "./gpt2.ts";

const family: Family<Gpt2Config> = {
  modelType: "gpt2",
  config: gpt2ConfigSchema,
  names: gpt2Names,
  basePrefix: "transformer.",
  inputs: [tokenInput("input_ids"), tokenInput("attention_mask")],
  initialStd: ({ initializerRange }) => initializerRange,
};

export const gpt2Architectures = architecturesOf(family, [
  { name: "GPT2Model", task: "feature-extraction", build: Gpt2Model, isBare: true },
  { name: "GPT2LMHeadModel", task: "text-generation", build: Gpt2LMHeadModel, labels: tokenLabels },
  {
    name: "GPT2ForSequenceClassification",
    task: "text-classification",
    build: Gpt2ForSequenceClassification,
    labels: classLabels,
  },
  {
    name: "GPT2ForTokenClassification",
    task: "token-classification",
    build: Gpt2ForTokenClassification,
    labels: tokenLabels,
  },
]);
