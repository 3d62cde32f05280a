/** The usual evaluation pipeline of torchvision and timm on Pillow images: Resize, CenterCrop, ToTensor, Normalize. */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { PreprocessPlan } from "./preprocess.ts";
import { resampleNames } from "./resample.ts";

const pixels = z.number().int().min(1).max(16_384);
const channels = z.tuple([z.number(), z.number(), z.number()]);

const schema = z.object({
  /** The short side, or height and width. */
  resize: z.union([pixels, z.tuple([pixels, pixels])]).optional(),
  interpolation: z.enum(resampleNames).default("bilinear"),
  /** Both sides, or height and width. */
  crop: z.union([pixels, z.tuple([pixels, pixels])]).optional(),
  mean: channels.optional(),
  std: channels.optional(),
});

/** @throws ConfigError when a field does not hold, or only one of mean and std is there. */
export function torchvisionPlan(json: unknown, where = "torchvision pipeline"): PreprocessPlan {
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new ConfigError(`${where}: is not valid: ${problems.join("; ")}`);
  }
  const { resize, interpolation: filter, crop, mean, std } = parsed.data;
  if ((mean === undefined) !== (std === undefined)) {
    throw new ConfigError(`${where}: mean and std must be given together`);
  }
  const rule = Array.isArray(resize) ? { height: resize[0], width: resize[1] } : { shortestEdge: resize! };
  const [height, width] = Array.isArray(crop) ? crop : [crop!, crop!];
  return {
    ...(resize && { resize: { rule, filter } }),
    ...(crop && { crop: { height, width, rounding: "half-even" } }),
    scale: { by: "divisor", value: 255 },
    ...(mean && std && { normalize: { mean, std } }),
  };
}
