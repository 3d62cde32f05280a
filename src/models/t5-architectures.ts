/** T5's classes by the names that `config.json` gives. */

import { architecturesOf, type Family, tokenInput } from "./family.ts";
import { sourceAndTargetInputs, targetLabels } from "./sequence-to-sequence.ts";
import { type T5Config, T5EncoderModel, T5ForConditionalGeneration, t5ConfigSchema, t5Names } from "./t5.ts";

const family: Family<T5Config> = {
  modelType: "t5",
  config: t5ConfigSchema,
  names: t5Names,
  basePrefix: "",
  inputs: sourceAndTargetInputs,
  initialStd: ({ initializerFactor }) => initializerFactor,
};

export const t5Architectures = architecturesOf(family, [
  {
    name: "T5ForConditionalGeneration",
    task: "translation",
    build: T5ForConditionalGeneration,
    labels: targetLabels,
  },
  {
    name: "T5EncoderModel",
    task: "feature-extraction",
    build: T5EncoderModel,
    inputs: [tokenInput("input_ids"), tokenInput("attention_mask")],
  },
]);
