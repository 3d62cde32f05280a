/** MobileViT's classes by the names that `config.json` gives. */

import { batchNormNames } from "../nn/batch-norm.ts";
import type { NameMap } from "../weights/names.ts";
import { architecturesOf } from "./family.ts";
import { imageInput, imageLabels } from "./image-heads.ts";
import { MobileViTForImageClassification, MobileViTModel, mobileVitConfigSchema } from "./mobilevit.ts";
import { vitLayerNames } from "./vit-layers.ts";

/** A convolution with its batch norm. */
const convNames = (ours: string, hub: string): NameMap => ({
  [ours]: hub,
  ...Object.fromEntries(
    Object.entries(batchNormNames).map(([field, stored]) => [
      `${ours}.normalization.${field}`,
      `${hub}.normalization.${stored}`,
    ]),
  ),
});

const residualNames = (ours: string, hub: string): NameMap => ({
  ...convNames(`${ours}.expand`, `${hub}.expand_1x1`),
  ...convNames(`${ours}.filter`, `${hub}.conv_3x3`),
  ...convNames(`${ours}.reduce`, `${hub}.reduce_1x1`),
});

const ours = "mobilevit.layers.{i}";
const hub = "mobilevit.encoder.layer.{i}";

const names: NameMap = {
  ...convNames("mobilevit.stem", "mobilevit.conv_stem"),
  ...residualNames(`${ours}.blocks.{j}`, `${hub}.layer.{j}`),
  ...residualNames(`${ours}.downsampling`, `${hub}.downsampling_layer`),
  ...convNames(`${ours}.local`, `${hub}.conv_kxk`),
  [`${ours}.widen`]: `${hub}.conv_1x1.convolution`,
  ...Object.fromEntries(
    Object.entries(vitLayerNames("layers", "layer")).map(([own, stored]) => [
      `${ours}.${own.replace("{i}", "{j}")}`,
      `${hub}.transformer.${stored.replace("{i}", "{j}")}`,
    ]),
  ),
  [`${ours}.norm`]: `${hub}.layernorm`,
  ...convNames(`${ours}.projection`, `${hub}.conv_projection`),
  ...convNames(`${ours}.fusion`, `${hub}.fusion`),
  ...convNames("mobilevit.widen", "mobilevit.conv_1x1_exp"),
  classifier: "classifier",
};

export const mobileVitArchitectures = architecturesOf(
  {
    modelType: "mobilevit",
    config: mobileVitConfigSchema,
    names,
    basePrefix: "mobilevit.",
    inputs: ({ numChannels, imageSize }) => [imageInput(numChannels, imageSize)],
    initialStd: ({ initializerRange }) => initializerRange,
  },
  [
    { name: "MobileViTModel", task: "image-feature-extraction", build: MobileViTModel, isBare: true },
    {
      name: "MobileViTForImageClassification",
      task: "image-classification",
      build: MobileViTForImageClassification,
      labels: imageLabels,
    },
  ],
);

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const mobileVitConfigs = {
  "mobilevit-small": {},
  "mobilevit-x-small": { hidden_sizes: [96, 120, 144], neck_hidden_sizes: [16, 32, 48, 64, 80, 96, 384] },
  "mobilevit-xx-small": {
    hidden_sizes: [64, 80, 96],
    neck_hidden_sizes: [16, 16, 24, 48, 64, 80, 320],
    expand_ratio: 2,
  },
};
