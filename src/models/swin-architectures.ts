/** Swin's classes by the names that `config.json` gives. */

import { architecturesOf } from "./family.ts";
import { imageInput, imageLabels } from "./image-heads.ts";
import { SwinForImageClassification, SwinModel, swinConfigSchema, swinNames } from "./swin.ts";

export const swinArchitectures = architecturesOf(
  {
    modelType: "swin",
    config: swinConfigSchema,
    names: swinNames,
    basePrefix: "swin.",
    inputs: ({ numChannels, imageSize }) => [imageInput(numChannels, imageSize)],
    initialStd: ({ initializerRange }) => initializerRange,
  },
  [
    { name: "SwinModel", task: "image-feature-extraction", build: SwinModel, isBare: true },
    {
      name: "SwinForImageClassification",
      task: "image-classification",
      build: SwinForImageClassification,
      labels: imageLabels,
    },
  ],
);

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const swinConfigs = {
  "swin-tiny-patch4-window7-224": {},
  "swin-small-patch4-window7-224": { depths: [2, 2, 18, 2], drop_path_rate: 0.3 },
  "swin-base-patch4-window7-224": {
    embed_dim: 128,
    depths: [2, 2, 18, 2],
    num_heads: [4, 8, 16, 32],
    drop_path_rate: 0.5,
  },
  "swin-large-patch4-window7-224": {
    embed_dim: 192,
    depths: [2, 2, 18, 2],
    num_heads: [6, 12, 24, 48],
    drop_path_rate: 0.5,
  },
};
