/** Marian's class by the name that `config.json` gives. */

import { architecturesOf, type Family } from "./family.ts";
import { type MarianConfig, MarianMTModel, marianConfigSchema, marianNames } from "./marian.ts";
import { sourceAndTargetInputs, targetLabels } from "./sequence-to-sequence.ts";

const family: Family<MarianConfig> = {
  modelType: "marian",
  config: marianConfigSchema,
  names: marianNames,
  basePrefix: "model.",
  inputs: sourceAndTargetInputs,
  initialStd: ({ initStd }) => initStd,
};

export const marianArchitectures = architecturesOf(family, [
  { name: "MarianMTModel", task: "translation", build: MarianMTModel, labels: targetLabels },
]);
