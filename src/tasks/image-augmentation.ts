/** How training pictures are changed: the fields that a user may set, and what they are by default. */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { AugmentOptions } from "../vision/augment.ts";
import type { Size } from "../vision/image.ts";
import type { MixingOptions } from "../vision/mixing.ts";
import type { RandomErasingOptions } from "../vision/random-erasing.ts";

const share = z.number().min(0).max(1);
const strength = z.number().min(0);

/** 0 turns a change off. */
const fieldsSchema = z.strictObject({
  /** Least share of the area of a random part, above 0; 1 takes the whole picture. */
  crop: z.number().gt(0).max(1).optional(),
  /** Pixels, after resizing, by which the whole picture moves at most; instead of `crop`. */
  shift: z.int().min(0).optional(),
  /** Probability of the mirror image. */
  flip: share.default(0.5),
  /** Strength of RandAugment, at most 10. */
  rand_augment: strength.max(10).default(0),
  /** Greatest change of brightness, contrast and saturation. */
  color_jitter: strength.default(0),
  /** Share of the pictures that lose a rectangle. */
  erasing: share.default(0),
  /** α of Mixup and of CutMix. */
  mixup: strength.default(0),
  cutmix: strength.default(0),
});

/** Fields of `--augment`. */
export type AugmentFields = z.input<typeof fieldsSchema>;

/** What is done to each picture, and to a batch of them. */
export interface ImageAugmentation {
  readonly picture: Omit<AugmentOptions, "size" | "filter">;
  readonly erasing?: RandomErasingOptions | undefined;
  readonly mixing?: Omit<MixingOptions, "labelSmoothing"> | undefined;
}

/** Pictures up to this side are moved, larger ones cropped. */
const smallSide = 64;

/**
 * @param leastCrop least share of a random part where the user names none
 * @throws ConfigError for a field that is unknown or out of its range.
 */
export function readAugmentation(fields: AugmentFields, size: Size, leastCrop: number): ImageAugmentation {
  const { data, error } = fieldsSchema.safeParse(fields);
  if (!data) throw new ConfigError(`augment: ${z.prettifyError(error)}`);
  if (data.crop !== undefined && data.shift !== undefined)
    throw new ConfigError("augment: give crop or shift, not both");
  const { mixup: mixupAlpha, cutmix: cutmixAlpha, erasing, rand_augment: magnitude } = data;
  const jitter = data.color_jitter;
  return {
    picture: {
      crop: cropOf(data, size, leastCrop),
      flipProbability: data.flip,
      ...(magnitude > 0 && { randAugment: { magnitude } }),
      ...(jitter > 0 && { colorJitter: { brightness: jitter, contrast: jitter, saturation: jitter } }),
    },
    ...(erasing > 0 && { erasing: { probability: erasing } }),
    ...(mixupAlpha + cutmixAlpha > 0 && { mixing: { mixupAlpha, cutmixAlpha } }),
  };
}

function cropOf(
  { crop, shift }: AugmentFields,
  { width, height }: Size,
  leastCrop: number,
): NonNullable<AugmentOptions["crop"]> {
  const side = Math.min(width, height);
  if (crop === undefined && (shift !== undefined || side <= smallSide))
    return { shift: shift ?? Math.round(side / 8) };
  return crop === 1 ? { shift: 0 } : { scale: [crop ?? leastCrop, 1] };
}
