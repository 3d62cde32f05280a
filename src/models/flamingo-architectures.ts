/** OpenFlamingo by the name that its `config.json` gives. */

import { architecturesOf, type Family, tokenInput, tokenLabels } from "./family.ts";
import { Flamingo, type FlamingoConfig, flamingoConfigSchema, flamingoNames } from "./flamingo.ts";
import type { InputSpec } from "./model.ts";

const mediaInput = ({ vision, perceiver }: FlamingoConfig): InputSpec =>
  vision
    ? {
        name: "pixel_values",
        dtype: "float32",
        axes: ["batch", "images", "frames", 3, ...vision.imageResolution],
      }
    : {
        name: "vision_features",
        dtype: "float32",
        axes: ["batch", "images", "frames", "visual_tokens", perceiver.dim],
      };

const family: Family<FlamingoConfig> = {
  modelType: "open-flamingo",
  config: flamingoConfigSchema,
  names: flamingoNames,
  basePrefix: "module.",
  inputs: (config) => [mediaInput(config), tokenInput("input_ids"), tokenInput("attention_mask")],
  initialStd: ({ textConfig }) => textConfig.initializerRange,
};

export const flamingoArchitectures = architecturesOf(family, [
  { name: "open-flamingo", task: "image-text-to-text", build: Flamingo, labels: tokenLabels },
]);

/** CLIP ViT-L/14 and GPT-2, as the fields of `config.json` that differ from the defaults. */
export const flamingoConfigs = {
  "flamingo-clip-vit-large-patch14-gpt2": {
    media_token_id: 50257, // behind GPT-2's words
    text_config: { vocab_size: 50258 },
    vision: { vision_layers: 24, vision_width: 1024, vision_patch_size: 14 },
    freeze_pretrained: true,
  },
} satisfies Record<string, Record<string, unknown>>;
