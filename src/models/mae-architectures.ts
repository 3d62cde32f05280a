/** MAE's classes by the names that `config.json` gives. */

import { architecturesOf } from "./family.ts";
import { imageInput } from "./image-heads.ts";
import { maeConfigSchema, maeNames, ViTMAEForPreTraining } from "./mae.ts";
import { gridOf } from "./vit-layers.ts";

export const maeArchitectures = architecturesOf(
  {
    modelType: "vit_mae",
    config: maeConfigSchema,
    names: maeNames,
    basePrefix: "vit.",
    inputs: ({ numChannels, imageSize, patchSize }) => {
      const [rows, columns] = gridOf("MAE", imageSize, patchSize);
      return [
        imageInput(numChannels, imageSize),
        { name: "noise", dtype: "float32", axes: ["batch", rows * columns] },
      ];
    },
    initialStd: ({ initializerRange }) => initializerRange,
  },
  [{ name: "ViTMAEForPreTraining", task: "masked-image-modeling", build: ViTMAEForPreTraining }],
);

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const maeConfigs = {
  "vit-mae-base": {},
  "vit-mae-large": {
    hidden_size: 1024,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    intermediate_size: 4096,
  },
  "vit-mae-huge": {
    hidden_size: 1280,
    num_hidden_layers: 32,
    num_attention_heads: 16,
    intermediate_size: 5120,
    patch_size: 14,
  },
} satisfies Record<string, Record<string, number>>;
