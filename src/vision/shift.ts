/** Pictures moved by a few pixels, as small ones are augmented: a random part of a picture with a black border. */

import type { Random } from "../tensor/random.ts";
import { crop, type RgbImage } from "./image.ts";

/** Moves a picture by up to `distance` pixels along each axis; what comes in is black. He et al. 2015, arXiv 1512.03385 */
export function shiftRandomly(image: RgbImage, distance: number, random: Random): RgbImage {
  const left = random.integer(2 * distance + 1) - distance;
  const top = random.integer(2 * distance + 1) - distance;
  return crop(image, { left, top, width: image.width, height: image.height });
}
