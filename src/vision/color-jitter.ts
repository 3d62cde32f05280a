/** Random changes of brightness, contrast, saturation and hue, in random order, as torchvision's ColorJitter. */

import type { Random } from "../tensor/random.ts";
import { adjustBrightness, adjustColor, adjustContrast } from "./enhance.ts";
import { adjustHue } from "./hue.ts";
import type { RgbImage } from "./image.ts";
import { between } from "./random-crop.ts";

/** Each default 0: unchanged. */
export interface ColorJitterOptions {
  /** Factors from max(0, 1 − b) to 1 + b; likewise for contrast and saturation. */
  readonly brightness?: number;
  readonly contrast?: number;
  readonly saturation?: number;
  /** Turns from −h to h of the circle; at most 0.5. */
  readonly hue?: number;
}

export function colorJitter(image: RgbImage, options: ColorJitterOptions, random: Random): RgbImage {
  const { brightness = 0, contrast = 0, saturation = 0, hue = 0 } = options;
  const factorAround = (spread: number): number => between([Math.max(0, 1 - spread), 1 + spread], random);
  const steps = [
    { spread: brightness, apply: (from: RgbImage) => adjustBrightness(from, factorAround(brightness)) },
    { spread: contrast, apply: (from: RgbImage) => adjustContrast(from, factorAround(contrast)) },
    { spread: saturation, apply: (from: RgbImage) => adjustColor(from, factorAround(saturation)) },
    { spread: hue, apply: (from: RgbImage) => adjustHue(from, between([-hue, hue], random)) },
  ].filter(({ spread }) => spread > 0);
  return random.shuffle(steps).reduce((from, { apply }) => apply(from), image);
}
