/** ViT's and DeiT's classes by the names that `config.json` gives. */

import { architecturesOf, type Family, labelInput } from "./family.ts";
import { imageInput, imageLabels } from "./image-heads.ts";
import {
  DeiTForImageClassificationWithPabee,
  earlyExitImageArchitectures,
  ViTForImageClassificationWithPabee,
} from "./pabee.ts";
import {
  DeiTForImageClassification,
  DeiTForImageClassificationWithTeacher,
  DeiTModel,
  ViTForImageClassification,
  ViTModel,
  vitNames,
} from "./vit.ts";
import { type VitConfig, vitConfigSchema } from "./vit-layers.ts";

const familyOf = (modelType: "vit" | "deit"): Family<VitConfig> => ({
  modelType,
  config: vitConfigSchema,
  names: {
    ...vitNames(modelType),
    ...(modelType === "deit" && {
      classifier: "cls_classifier",
      distillationClassifier: "distillation_classifier",
    }),
  },
  basePrefix: `${modelType}.`,
  inputs: ({ numChannels, imageSize }) => [imageInput(numChannels, imageSize)],
  initialStd: ({ initializerRange }) => initializerRange,
});

/** DeiT's plain classifier calls its head `classifier`, the one with a teacher `cls_classifier`. */
const deit = familyOf("deit");
const plainDeit = { ...deit, names: { ...deit.names, classifier: "classifier" } };

export const vitArchitectures = [
  ...architecturesOf(familyOf("vit"), [
    { name: "ViTModel", task: "image-feature-extraction", build: ViTModel, isBare: true },
    {
      name: "ViTForImageClassification",
      task: "image-classification",
      build: ViTForImageClassification,
      labels: imageLabels,
    },
  ]),
  ...earlyExitImageArchitectures(
    familyOf("vit"),
    "ViTForImageClassificationWithPabee",
    ViTForImageClassificationWithPabee,
  ),
  ...architecturesOf(plainDeit, [
    { name: "DeiTModel", task: "image-feature-extraction", build: DeiTModel, isBare: true },
    {
      name: "DeiTForImageClassification",
      task: "image-classification",
      build: DeiTForImageClassification,
      labels: imageLabels,
    },
  ]),
  ...earlyExitImageArchitectures(
    plainDeit,
    "DeiTForImageClassificationWithPabee",
    DeiTForImageClassificationWithPabee,
  ),
  ...architecturesOf(deit, [
    {
      name: "DeiTForImageClassificationWithTeacher",
      task: "image-classification",
      variant: "with-teacher",
      build: DeiTForImageClassificationWithTeacher,
      labels: ({ id2label }) => [
        ...imageLabels,
        labelInput("teacher_logits", ["batch", id2label.length], "float32"),
      ],
    },
  ]),
];

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const vitConfigs = {
  "vit-small-patch16-224": { hidden_size: 384, num_attention_heads: 6, intermediate_size: 1536 },
  "vit-base-patch16-224": {},
  "vit-large-patch16-224": {
    hidden_size: 1024,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    intermediate_size: 4096,
  },
  "vit-huge-patch14-224": {
    hidden_size: 1280,
    num_hidden_layers: 32,
    num_attention_heads: 16,
    intermediate_size: 5120,
    patch_size: 14,
  },
  "vit-giant-patch14-224": {
    hidden_size: 1408,
    num_hidden_layers: 40,
    num_attention_heads: 16,
    intermediate_size: 6144,
    patch_size: 14,
  },
  "vit-gigantic-patch14-224": {
    hidden_size: 1664,
    num_hidden_layers: 48,
    num_attention_heads: 16,
    intermediate_size: 8192,
    patch_size: 14,
  },
} satisfies Record<string, Record<string, number>>;

/** The same of DeiT. */
export const deitConfigs = {
  "deit-tiny-distilled-patch16-224": { hidden_size: 192, num_attention_heads: 3, intermediate_size: 768 },
  "deit-small-distilled-patch16-224": { hidden_size: 384, num_attention_heads: 6, intermediate_size: 1536 },
  "deit-base-distilled-patch16-224": {},
} satisfies Record<string, Record<string, number>>;
