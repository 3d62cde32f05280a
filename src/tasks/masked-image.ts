/** MAE's answer to a picture: what it paints where patches are hidden. C channels, H × W pixels, N patches. */

import { z } from "zod";
import { type ConfigJson, parseConfig } from "../models/config.ts";
import { imageSize } from "../models/vit-layers.ts";
import { Random } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { encodePng } from "../vision/encode.ts";
import { type RgbImage, rgbImage } from "../vision/image.ts";
import { sideBySide } from "../vision/paste.ts";
import type { PreprocessPlan } from "../vision/preprocess.ts";
import { imageSource } from "./image-input.ts";
import type { ImageAnswerTask } from "./image-predictor.ts";
import { drawNoise, patchCount } from "./masked-image-data.ts";

export interface Reconstruction {
  /** A PNG file: the original, what the model sees of it, and what it makes of that. */
  readonly image: Uint8Array;
  /** Root of the mean squared error of the painted pixels, levels from 0 to 255. */
  readonly error: number;
}

export const isReconstruction = (answer: unknown): answer is Reconstruction =>
  typeof answer === "object" && answer !== null && "image" in answer && answer.image instanceof Uint8Array;

const options = z.strictObject({
  /** Draws the patches that are hidden. Default 0. */
  seed: z.int().min(0).default(0),
});

const paintingConfig = z.object({
  patchSize: imageSize.default([16, 16]),
  normPixLoss: z.boolean().default(false),
});

/** Small pictures are enlarged to at least this height in pixels. */
const leastHeight = 224;
const grey = 128;

export const maskedImageAnswers: ImageAnswerTask<z.infer<typeof options>, Reconstruction> = {
  outputs: ["unpatchified_logits", "mask"],
  input: imageSource,
  options,
  async answer({ picture, preprocessor, run, config }, source, { seed }) {
    const original = preprocessor.prepare(await picture(source));
    const pixels = preprocessor.tensorOf([original]);
    const noise = drawNoise(1, patchCount(config), new Random(seed).fork("noise"));
    const outputs = await run({ pixel_values: pixels, noise });
    const painted = paint(outputs.unpatchified_logits!, pixels, config, preprocessor.plan);
    const isHidden = hiddenPixels(outputs.mask!, original, config);
    const masked = combine(original, isHidden, () => grey);
    const reconstructed = combine(original, isHidden, (at) => painted.data[at]!);
    const enlarge = Math.max(1, Math.floor(leastHeight / original.height));
    const row = sideBySide([original, masked, reconstructed]);
    return { image: await encodePng(row, enlarge), error: rootMeanSquare(original, reconstructed, isHidden) };
  },
};

/** Levels of the model's pixels [C, H, W]; relative ones take mean and deviation from their patch of the original. */
function paint(
  { shape, data }: Tensor,
  original: Tensor,
  config: ConfigJson,
  plan: PreprocessPlan,
): RgbImage {
  const [, height, width] = shape as [number, number, number];
  const { patchSize, normPixLoss } = parseConfig(paintingConfig, config, "MAE");
  const values = Float32Array.from(data as Float32Array);
  if (normPixLoss) addPatchStatistics(values, original.data as Float32Array, { width, height }, patchSize);
  const image = rgbImage({ width, height });
  for (let channel = 0; channel < 3; channel++) {
    const plane = (plan.isBgr ? 2 - channel : channel) * width * height;
    const levelOf = levels(plan, channel);
    for (let pixel = 0; pixel < width * height; pixel++)
      image.data[pixel * 3 + channel] = levelOf(values[plane + pixel]!);
  }
  return image;
}

/** Undoes normalisation and rescaling. */
function levels({ normalize, scale }: PreprocessPlan, channel: number): (value: number) => number {
  const [mean, std] = [normalize?.mean[channel] ?? 0, normalize?.std[channel] ?? 1];
  const perLevel = scale ? (scale.by === "divisor" ? 1 / scale.value : scale.value) : 1;
  return (value) => Math.max(0, Math.min(255, Math.round((value * std + mean) / perLevel)));
}

/** x · deviation + mean of each patch over all channels; the deviation is of n − 1 values, as in training. */
function addPatchStatistics(
  values: Float32Array,
  original: Float32Array,
  { width, height }: { width: number; height: number },
  [rows, columns]: readonly [number, number],
): void {
  for (let top = 0; top < height; top += rows) {
    for (let left = 0; left < width; left += columns) {
      const places: number[] = [];
      for (let plane = 0; plane < values.length; plane += width * height)
        for (let y = top; y < top + rows; y++)
          for (let x = left; x < left + columns; x++) places.push(plane + y * width + x);
      const mean = places.reduce((sum, at) => sum + original[at]!, 0) / places.length;
      const squares = places.reduce((sum, at) => sum + (original[at]! - mean) ** 2, 0);
      const deviation = Math.sqrt(squares / (places.length - 1) + 1e-6);
      for (const at of places) values[at] = values[at]! * deviation + mean;
    }
  }
}

/** Whether each pixel lies in a hidden patch. */
function hiddenPixels(mask: Tensor, { width, height }: RgbImage, config: ConfigJson): Uint8Array {
  const { patchSize } = parseConfig(paintingConfig, config, "MAE");
  const columns = width / patchSize[1];
  return Uint8Array.from({ length: width * height }, (_, at) => {
    const row = Math.floor(Math.floor(at / width) / patchSize[0]);
    return Number(mask.data[row * columns + Math.floor((at % width) / patchSize[1])]);
  });
}

/** The picture with other levels where it is hidden. */
function combine(image: RgbImage, isHidden: Uint8Array, levelAt: (at: number) => number): RgbImage {
  const data = image.data.map((level, at) => (isHidden[Math.floor(at / 3)] ? levelAt(at) : level));
  return rgbImage(image, data);
}

function rootMeanSquare(a: RgbImage, b: RgbImage, isHidden: Uint8Array): number {
  let [sum, count] = [0, 0];
  for (const [at, level] of a.data.entries()) {
    if (!isHidden[Math.floor(at / 3)]) continue;
    sum += (level - b.data[at]!) ** 2;
    count++;
  }
  return count === 0 ? 0 : Math.sqrt(sum / count);
}
