/** Random parts of pictures. Szegedy et al. 2014, https://arxiv.org/abs/1409.4842, with torchvision's rules. */

import type { Random } from "../tensor/random.ts";
import type { Region, Size } from "./image.ts";

export interface RandomCropOptions {
  /** Least and greatest share of the area; default 0.08 to 1. */
  readonly scale?: readonly [number, number];
  /** Least and greatest width / height, drawn on a logarithmic scale; default 3/4 to 4/3. */
  readonly ratio?: readonly [number, number];
}

/** A random part; where ten draws do not fit, the largest middle part within the ratios. */
export function randomRegion(size: Size, options: RandomCropOptions, random: Random): Region {
  const { scale = [0.08, 1], ratio = [3 / 4, 4 / 3] } = options;
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = size.width * size.height * between(scale, random);
    const aspect = Math.exp(between([Math.log(ratio[0]), Math.log(ratio[1])], random));
    const width = Math.round(Math.sqrt(area * aspect));
    const height = Math.round(Math.sqrt(area / aspect));
    const left = random.integer(size.width - width + 1);
    const top = random.integer(size.height - height + 1);
    const isWithin = width > 0 && height > 0 && width <= size.width && height <= size.height;
    if (isWithin) return { left, top, width, height };
  }
  return middleRegion(size, ratio);
}

function middleRegion(size: Size, [narrowest, widest]: readonly [number, number]): Region {
  const height = Math.max(1, Math.min(size.height, Math.round(size.width / narrowest)));
  const width = Math.max(1, Math.min(size.width, Math.round(size.height * widest)));
  const left = Math.floor((size.width - width) / 2);
  const top = Math.floor((size.height - height) / 2);
  return { left, top, width, height };
}

/** Uniform between two numbers. */
export const between = ([low, high]: readonly [number, number], random: Random): number =>
  low + (high - low) * random.uniform();
