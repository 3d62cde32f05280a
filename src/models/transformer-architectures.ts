/** The Transformer's class by the name that `config.json` gives. */

import { architecturesOf, type Family } from "./family.ts";
import { sourceAndTargetInputs, targetLabels } from "./sequence-to-sequence.ts";
import {
  type TransformerConfig,
  TransformerForConditionalGeneration,
  transformerConfigSchema,
  transformerNames,
} from "./transformer.ts";

const family: Family<TransformerConfig> = {
  modelType: "tesserae-transformer",
  config: transformerConfigSchema,
  names: transformerNames,
  basePrefix: "",
  inputs: sourceAndTargetInputs,
  initialStd: ({ initializerRange, hiddenSize }) => initializerRange ?? hiddenSize ** -0.5,
};

export const transformerArchitectures = architecturesOf(family, [
  {
    name: "TesseraeTransformerForConditionalGeneration",
    task: "translation",
    build: TransformerForConditionalGeneration,
    labels: targetLabels,
  },
]);
