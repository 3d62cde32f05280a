/**
 * RandAugment (Cubuk et al. 2019, https://arxiv.org/abs/1909.13719) with the 15 ops and the strengths of timm's
 * "increasing" set (`rand-m9-mstd0.5-inc1`, as DeiT and Swin were trained with). A strength is 0 to 10.
 */

import type { Random } from "../tensor/random.ts";
import { type AffineOptions, rotate, shearX, shearY, translateX, translateY } from "./affine.ts";
import { adjustBrightness, adjustColor, adjustContrast, adjustSharpness } from "./enhance.ts";
import type { RgbImage } from "./image.ts";
import { autoContrast, equalize, invert, posterize, solarize, solarizeAdd } from "./level-ops.ts";

export interface RandAugmentOptions {
  /** 0 to 10; default 9. */
  readonly magnitude?: number;
  /** Standard deviation of the strength from op to op; default 0.5. */
  readonly magnitudeStd?: number;
  /** Ops drawn for a picture, each of which is applied with probability one half; default 2. */
  readonly numLayers?: number;
  /** Red, green and blue where geometry uncovers the background; default grey. */
  readonly fill?: readonly [number, number, number];
}

/** One op at a share of its full strength, 0 to 1; it draws its direction itself. */
type Op = (image: RgbImage, strength: number, random: Random, geometry: AffineOptions) => RgbImage;

const sign = (random: Random): number => (random.uniform() < 0.5 ? -1 : 1);
/** A factor around 1, at most 0.9 away. */
const factor = (strength: number, random: Random): number => Math.max(0.1, 1 + 0.9 * strength * sign(random));

const ops: readonly Op[] = [
  (image) => autoContrast(image),
  (image) => equalize(image),
  (image) => invert(image),
  (image, strength) => posterize(image, 4 - Math.trunc(strength * 4)),
  (image, strength) => solarize(image, 256 - Math.min(256, Math.trunc(strength * 256))),
  (image, strength) => solarizeAdd(image, Math.min(128, Math.trunc(strength * 110))),
  (image, strength, random) => adjustColor(image, factor(strength, random)),
  (image, strength, random) => adjustContrast(image, factor(strength, random)),
  (image, strength, random) => adjustBrightness(image, factor(strength, random)),
  (image, strength, random) => adjustSharpness(image, factor(strength, random)),
  (image, strength, random, geometry) => rotate(image, 30 * strength * sign(random), geometry),
  (image, strength, random, geometry) => shearX(image, 0.3 * strength * sign(random), geometry),
  (image, strength, random, geometry) => shearY(image, 0.3 * strength * sign(random), geometry),
  (image, strength, random, geometry) => translateX(image, 0.45 * strength * sign(random), geometry),
  (image, strength, random, geometry) => translateY(image, 0.45 * strength * sign(random), geometry),
];

export function randAugment(image: RgbImage, options: RandAugmentOptions, random: Random): RgbImage {
  const { magnitude = 9, magnitudeStd = 0.5, numLayers = 2, fill = [128, 128, 128] } = options;
  let result = image;
  for (let layer = 0; layer < numLayers; layer++) {
    const own = random.fork(layer);
    const op = ops[own.integer(ops.length)]!;
    if (own.uniform() < 0.5) continue;
    const strength = Math.max(0, Math.min(10, magnitude + magnitudeStd * own.normal())) / 10;
    const filter = own.uniform() < 0.5 ? "bilinear" : "bicubic";
    result = op(result, strength, own, { filter, fill });
  }
  return result;
}
