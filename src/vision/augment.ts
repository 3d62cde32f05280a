/** Training pictures: a random part, perhaps mirrored, with random changes, all drawn from one stream of numbers. */

import { Random } from "../tensor/random.ts";
import { type ColorJitterOptions, colorJitter } from "./color-jitter.ts";
import { flipHorizontally, type RgbImage, type Size } from "./image.ts";
import { type RandAugmentOptions, randAugment } from "./rand-augment.ts";
import { type RandomCropOptions, randomRegion } from "./random-crop.ts";
import { type Resample, resize } from "./resample.ts";
import { shiftRandomly } from "./shift.ts";

export interface AugmentOptions {
  /** Size of the results in pixels. */
  readonly size: Size;
  /** Default bicubic. */
  readonly filter?: Resample;
  /** Which part is taken, or by how many pixels at most the whole picture moves. */
  readonly crop?: RandomCropOptions | { readonly shift: number };
  /** Probability of the mirror image; default 0.5. */
  readonly flipProbability?: number;
  /** Left out: not done. */
  readonly colorJitter?: ColorJitterOptions;
  readonly randAugment?: RandAugmentOptions;
}

/**
 * The random numbers of one example in one epoch, the same whatever the order and the number of workers.
 * `eraseRandomly` takes a fork of the same stream.
 */
export const exampleRandom = (seed: number, epoch: number, index: number): Random =>
  new Random(seed).fork("augment", epoch, index);

/** Each step has a stream of its own, so that turning one off does not change the others. */
export function augment(image: RgbImage, options: AugmentOptions, random: Random): RgbImage {
  const { size, filter = "bicubic", crop = {}, flipProbability = 0.5 } = options;
  const place = random.fork("crop");
  let result =
    "shift" in crop
      ? shiftRandomly(resize(image, size, filter), crop.shift, place)
      : resize(image, size, filter, randomRegion(image, crop, place));
  if (random.fork("flip").uniform() < flipProbability) result = flipHorizontally(result);
  if (options.colorJitter) result = colorJitter(result, options.colorJitter, random.fork("color"));
  if (options.randAugment) result = randAugment(result, options.randAugment, random.fork("rand-augment"));
  return result;
}
