/** Cases of image pipelines: 8-bit pictures to what Hugging Face's processors and torchvision make of them. */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type RgbImage, rgbImage } from "../vision/image.ts";
import { ImagePreprocessor } from "../vision/preprocess.ts";
import { preprocessPlan } from "../vision/preprocessor-config.ts";
import { torchvisionPlan } from "../vision/torchvision.ts";
import type { CaseRunner } from "./case.ts";

const pipelines = z.record(z.string(), z.looseObject({ library: z.enum(["transformers", "torchvision"]) }));

/** `<pipeline>.<image>.resized` [H, W, 3] before cropping, and `.pixel_values` [3, H, W]. */
export const runPreprocessing: CaseRunner = async ({ name: where, config, inputs }) => {
  const parsed = pipelines.safeParse(config);
  if (!parsed.success) throw new ConfigError(`${where}: ${parsed.error.issues[0]!.message}`);
  const results = new Map<string, Tensor>();
  for (const [pipeline, json] of Object.entries(parsed.data)) {
    const planOf = json.library === "torchvision" ? torchvisionPlan : preprocessPlan;
    const preprocessor = new ImagePreprocessor(planOf(json, `${where}: ${pipeline}`));
    for (const [imageName, tensor] of inputs) {
      const image = pictureOf(tensor, `${where}: ${imageName}`);
      const key = `${pipeline}.${imageName}`;
      results.set(`${key}.resized`, tensorOf(preprocessor.resized(image)));
      const pixels = preprocessor.batch([image]);
      results.set(`${key}.pixel_values`, pixels.reshape(pixels.shape.slice(1)));
    }
  }
  return results;
};

function pictureOf({ dtype, shape, data }: Tensor, where: string): RgbImage {
  const [height, width, channels] = shape;
  if (dtype === "uint8" && shape.length === 3 && channels === 3) {
    return rgbImage({ width: width!, height: height! }, data as Uint8Array);
  }
  throw new ConfigError(`${where}: must be uint8 [height, width, 3], got ${dtype} [${shape.join(", ")}]`);
}

const tensorOf = ({ width, height, data }: RgbImage): Tensor => new Tensor("uint8", [height, width, 3], data);
