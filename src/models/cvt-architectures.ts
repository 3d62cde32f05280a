/** CvT's classes by the names that `config.json` gives. */

import { batchNormNames } from "../nn/batch-norm.ts";
import type { NameMap } from "../weights/names.ts";
import { CvtForImageClassification, CvtModel, cvtConfigSchema } from "./cvt.ts";
import { architecturesOf } from "./family.ts";
import { imageInput, imageLabels } from "./image-heads.ts";

const ours = "cvt.stages.{i}.layers.{j}";
const hub = "cvt.encoder.stages.{i}.layers.{j}";

/** One projection; `name` is query, key or value. */
function projectionNames(name: string): NameMap {
  const own = `${ours}.attention.${name}`;
  const convolution = `${hub}.attention.attention.convolution_projection_${name}.convolution_projection`;
  const statistics = Object.entries(batchNormNames).map(([field, stored]) => [
    `${own}.convolution.normalization.${field}`,
    `${convolution}.normalization.${stored}`,
  ]);
  return {
    [`${own}.convolution`]: convolution,
    ...Object.fromEntries(statistics),
    [`${own}.linear`]: `${hub}.attention.attention.projection_${name}`,
  };
}

const names: NameMap = {
  "cvt.stages.{i}.classToken": "cvt.encoder.stages.{i}.cls_token",
  "cvt.stages.{i}.embedding.projection": "cvt.encoder.stages.{i}.embedding.convolution_embeddings.projection",
  "cvt.stages.{i}.embedding.norm": "cvt.encoder.stages.{i}.embedding.convolution_embeddings.normalization",
  [`${ours}.attentionNorm`]: `${hub}.layernorm_before`,
  ...projectionNames("query"),
  ...projectionNames("key"),
  ...projectionNames("value"),
  [`${ours}.attention.output`]: `${hub}.attention.output.dense`,
  [`${ours}.feedForwardNorm`]: `${hub}.layernorm_after`,
  [`${ours}.up`]: `${hub}.intermediate.dense`,
  [`${ours}.down`]: `${hub}.output.dense`,
  norm: "layernorm",
  classifier: "classifier",
};

export const cvtArchitectures = architecturesOf(
  {
    modelType: "cvt",
    config: cvtConfigSchema,
    names,
    basePrefix: "cvt.",
    inputs: ({ numChannels, imageSize }) => [imageInput(numChannels, imageSize)],
    initialStd: ({ initializerRange }) => initializerRange,
  },
  [
    { name: "CvtModel", task: "image-feature-extraction", build: CvtModel, isBare: true },
    {
      name: "CvtForImageClassification",
      task: "image-classification",
      build: CvtForImageClassification,
      labels: imageLabels,
    },
  ],
);

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const cvtConfigs = { "cvt-13": {}, "cvt-21": { depth: [1, 4, 16] } };
