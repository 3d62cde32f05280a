/** BLIP's classes by the names that `config.json` gives. */

import {
  type BlipConfig,
  BlipForConditionalGeneration,
  BlipForImageTextRetrieval,
  BlipForQuestionAnswering,
  blipConfigSchema,
} from "./blip.ts";
import {
  BlipPretrain,
  type BlipPretrainConfig,
  blipForPretrainingNames,
  blipForPretrainingSchema,
  blipPretrainConfigSchema,
  blipPretrainNames,
} from "./blip-pretrain.ts";
import { blipHeadNames, blipTextNames } from "./blip-text.ts";
import { blipVisionNamesAt } from "./blip-vision.ts";
import { architecturesOf, type Family, labelInput, type ModelClass, tokenInput } from "./family.ts";
import { imageInput } from "./image-heads.ts";
import type { InputSpec } from "./model.ts";

const imageAndText = ({ visionConfig: { numChannels, imageSize } }: BlipConfig): InputSpec[] => [
  imageInput(numChannels, imageSize),
  tokenInput("input_ids"),
  tokenInput("attention_mask"),
];

const family: Family<BlipConfig> = {
  modelType: "blip",
  config: blipConfigSchema,
  names: {
    ...blipVisionNamesAt("vision", "vision_model"),
    ...blipTextNames("text", "text_encoder"),
    ...blipTextNames("decoder.text", "text_decoder.bert"),
    ...blipHeadNames("decoder.head", "text_decoder.cls.predictions"),
    visionProjection: "vision_proj",
    textProjection: "text_proj",
    matchHead: "itm_head",
  },
  basePrefix: "blip.",
  inputs: imageAndText,
  initialStd: ({ textConfig }) => textConfig.initializerRange,
};

const answerTokens = (name: string): InputSpec => tokenInput(name, ["batch", "target_length"]);

const classes: readonly ModelClass<BlipConfig>[] = [
  { name: "BlipForConditionalGeneration", task: "image-to-text", build: BlipForConditionalGeneration },
  {
    name: "BlipForImageTextRetrieval",
    task: "image-text-retrieval",
    build: BlipForImageTextRetrieval,
    labels: [labelInput("itm_labels", ["batch"])],
  },
  {
    name: "BlipForQuestionAnswering",
    task: "visual-question-answering",
    build: BlipForQuestionAnswering,
    inputs: (config) => [
      ...imageAndText(config),
      answerTokens("decoder_input_ids"),
      answerTokens("decoder_attention_mask"),
    ],
    labels: [
      labelInput("labels", ["batch", "target_length"]),
      labelInput("answer_weights", ["batch"], "float32"),
    ],
  },
];

const pretraining: Family<BlipPretrainConfig> = {
  modelType: "blip-pretrain",
  config: blipPretrainConfigSchema,
  names: blipPretrainNames,
  basePrefix: "module.",
  inputs: ({ visionConfig }) => [
    { ...imageInput(3, visionConfig.imageSize), name: "image" },
    tokenInput("input_ids"),
    tokenInput("attention_mask"),
  ],
  initialStd: ({ textConfig }) => textConfig.initializerRange,
};

/** The same objectives over a model of Hugging Face's names. */
const forPretraining: Family<BlipPretrainConfig> = {
  ...pretraining,
  modelType: family.modelType,
  config: blipForPretrainingSchema,
  names: blipForPretrainingNames,
  basePrefix: family.basePrefix,
  inputs: ({ visionConfig: { numChannels, imageSize } }) => [
    imageInput(numChannels, imageSize),
    tokenInput("input_ids"),
    tokenInput("attention_mask"),
    { name: "alpha", dtype: "float32", axes: [], isLabel: true },
  ],
};

export const blipArchitectures = [
  ...architecturesOf(family, classes),
  ...architecturesOf(forPretraining, [
    { name: "BlipForPreTraining", task: "image-text-pretraining", build: BlipPretrain },
  ]),
  ...architecturesOf(pretraining, [
    { name: "blip-pretrain", task: "image-text-pretraining", build: BlipPretrain },
  ]),
];

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const blipConfigs = {
  "blip-base": {},
} satisfies Record<string, Record<string, unknown>>;
