/** CLIP's classes by the names that `config.json` gives, and its published sizes. */

import {
  type ClipConfig,
  ClipModel,
  ClipTextModelWithProjection,
  ClipVisionModelWithProjection,
  clipConfigSchema,
  clipNames,
} from "./clip.ts";
import {
  type ClipTextConfig,
  type ClipVisionConfig,
  clipTextConfig,
  clipVisionConfig,
} from "./clip-layers.ts";
import { OpenAiClip, type OpenAiClipConfig, openAiClipConfigSchema, openAiClipNames } from "./clip-openai.ts";
import { architecturesOf, type Family, tokenInput } from "./family.ts";
import type { InputSpec } from "./model.ts";

/** Texts of a batch need not be as many as its images. */
const textInputs = [
  tokenInput("input_ids", ["texts", "length"]),
  tokenInput("attention_mask", ["texts", "length"]),
];

const imagesInput = (name: string, channels: number, sizes: readonly [number, number]): InputSpec => ({
  name,
  dtype: "float32",
  axes: ["images", channels, ...sizes],
});

const family: Family<ClipConfig> = {
  modelType: "clip",
  config: clipConfigSchema,
  names: clipNames,
  basePrefix: "clip.",
  inputs: ({ visionConfig: { numChannels, imageSize } }) => [
    imagesInput("pixel_values", numChannels, imageSize),
    ...textInputs,
  ],
  initialStd: ({ textConfig }) => textConfig.initializerRange,
};

const textFamily: Family<ClipTextConfig> = {
  ...family,
  modelType: "clip_text_model",
  config: clipTextConfig,
  inputs: textInputs,
  initialStd: ({ initializerRange }) => initializerRange,
};

const visionFamily: Family<ClipVisionConfig> = {
  ...family,
  modelType: "clip_vision_model",
  config: clipVisionConfig,
  inputs: ({ numChannels, imageSize }) => [imagesInput("pixel_values", numChannels, imageSize)],
  initialStd: ({ initializerRange }) => initializerRange,
};

const openAiFamily: Family<OpenAiClipConfig> = {
  modelType: "openai-clip-vit",
  config: openAiClipConfigSchema,
  names: openAiClipNames,
  basePrefix: "module.",
  inputs: ({ imageResolution, contextLength }) => [
    imagesInput("image", 3, imageResolution),
    { name: "text", dtype: "int64", axes: ["texts", contextLength] },
  ],
};

export const clipArchitectures = [
  ...architecturesOf(family, [
    { name: "CLIPModel", task: "zero-shot-image-classification", build: ClipModel },
  ]),
  ...architecturesOf(textFamily, [
    { name: "CLIPTextModelWithProjection", task: "feature-extraction", build: ClipTextModelWithProjection },
  ]),
  ...architecturesOf(visionFamily, [
    {
      name: "CLIPVisionModelWithProjection",
      task: "image-feature-extraction",
      build: ClipVisionModelWithProjection,
    },
  ]),
  ...architecturesOf(openAiFamily, [
    { name: "openai-clip-vit", task: "zero-shot-image-classification", build: OpenAiClip },
  ]),
];

const largeText = { hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12 };
const largeVision = {
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  patch_size: 14,
};

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const clipConfigs = {
  "clip-vit-base-patch32": {},
  "clip-vit-base-patch16": { vision_config: { patch_size: 16 } },
  "clip-vit-large-patch14": { projection_dim: 768, text_config: largeText, vision_config: largeVision },
} satisfies Record<string, Record<string, unknown>>;
