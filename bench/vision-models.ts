/** Full-size picture models with 1,000 classes, and nothing dropped in training, as `torch_vision.py` has them too. */

import type { ConfigJson } from "../src/models/config.ts";
import { architectureOf } from "../src/models/registry.ts";
import { countParameters } from "../src/nn/module.ts";

export interface VisionModel {
  /** Fields of config.json that differ from the defaults. */
  readonly config: ConfigJson;
  /** Pixels of a side of the pictures that it reads. */
  readonly side: number;
}

const id2label = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [at, `class ${at}`]));

const classifier = (architecture: string, modelType: string, fields: ConfigJson = {}): ConfigJson => ({
  architectures: [architecture],
  model_type: modelType,
  id2label,
  ...fields,
});

const small = { hidden_size: 384, num_attention_heads: 6, intermediate_size: 1536 };
const undropped = { hidden_dropout_prob: 0, classifier_dropout_prob: 0 };

export const visionModels: Readonly<Record<string, VisionModel>> = {
  "ViT-B/16": { side: 224, config: classifier("ViTForImageClassification", "vit") },
  "ViT-S/16": { side: 224, config: classifier("ViTForImageClassification", "vit", small) },
  "Swin-T": { side: 224, config: classifier("SwinForImageClassification", "swin", { drop_path_rate: 0 }) },
  "MobileViT-S": {
    side: 256,
    config: classifier("MobileViTForImageClassification", "mobilevit", undropped),
  },
  "CvT-13": {
    side: 224,
    config: classifier("CvtForImageClassification", "cvt", { drop_path_rate: [0, 0, 0] }),
  },
};

/** Numbers that training moves. */
export const parameterCount = ({ config }: VisionModel): number =>
  countParameters(architectureOf(config).build(config));
