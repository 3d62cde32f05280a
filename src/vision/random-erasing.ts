/** Random erasing of a rectangle of a finished picture. Zhong et al. 2017, https://arxiv.org/abs/1708.04896, as timm. */

import type { Random } from "../tensor/random.ts";
import type { Region, Size } from "./image.ts";
import { between } from "./random-crop.ts";

export interface RandomErasingOptions {
  /** How many pictures lose a part; default 0.25. */
  readonly probability?: number;
  /** Least and greatest share of the area; default 0.02 to 1/3. */
  readonly area?: readonly [number, number];
  /** What comes in its place: normal noise by value, or 0, the mean of normalised pictures; default noise. */
  readonly fill?: "noise" | "zero";
}

/** Erases in place; `pixels` are one normalised picture, [C, height, width]. */
export function eraseRandomly(
  pixels: Float32Array,
  size: Size,
  options: RandomErasingOptions,
  random: Random,
): void {
  const { probability = 0.25, area = [0.02, 1 / 3], fill = "noise" } = options;
  if (random.uniform() >= probability) return;
  const region = erasedRegion(size, area, random);
  if (!region) return;
  for (let plane = 0; plane < pixels.length; plane += size.width * size.height) {
    for (let y = region.top; y < region.top + region.height; y++) {
      const row = plane + y * size.width + region.left;
      for (let x = row; x < row + region.width; x++) pixels[x] = fill === "noise" ? random.normal() : 0;
    }
  }
}

/** A rectangle smaller than the picture, its sides at most 3.3 to 1; `undefined` where ten draws do not fit. */
function erasedRegion(size: Size, area: readonly [number, number], random: Random): Region | undefined {
  for (let attempt = 0; attempt < 10; attempt++) {
    const target = between(area, random) * size.width * size.height;
    const aspect = Math.exp(between([Math.log(0.3), Math.log(1 / 0.3)], random));
    const height = Math.round(Math.sqrt(target * aspect));
    const width = Math.round(Math.sqrt(target / aspect));
    const left = random.integer(size.width - width + 1);
    const top = random.integer(size.height - height + 1);
    if (width < size.width && height < size.height) return { left, top, width, height };
  }
  return undefined;
}
