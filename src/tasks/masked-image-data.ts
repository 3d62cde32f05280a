/** Training data for MAE: pictures without labels, and the noise that says which patches are hidden. */

import type { ConfigJson } from "../models/config.ts";
import { architectureOf } from "../models/registry.ts";
import type { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { imageDataset } from "./image-dataset.ts";
import type { ImageDataRecipe } from "./image-recipe.ts";

/** Patches of a picture, N. */
export function patchCount(config: ConfigJson): number {
  const noise = architectureOf(config)
    .inputs(config)
    .find(({ name }) => name === "noise");
  return Number(noise?.axes[1]);
}

/** Uniform numbers, float32 [B, N]. */
export const drawNoise = (rows: number, patches: number, random: Random): Tensor =>
  new Tensor(
    "float32",
    [rows, patches],
    Float32Array.from({ length: rows * patches }, () => random.uniform()),
  );

export const maskedImageData: ImageDataRecipe = {
  name: "masked-image-modeling",
  bestMetric: "loss",
  outputs: ["loss"],
  leastCrop: 0.2,
  configOf: () => ({}),
  datasetOf(examples, { config, ...setup }) {
    const patches = patchCount(config);
    return imageDataset({
      ...setup,
      examples,
      finish: (pixels, indices, random) => ({
        pixel_values: pixels,
        noise: drawNoise(indices.length, patches, random.fork("noise")),
      }),
      evaluator: () => ({ add: () => undefined, result: () => ({}) }),
    });
  },
};
