/** The fields of `preprocessor_config.json` that are read, with Hugging Face's names. */

import { z } from "zod";

const pixels = z.number().int().min(1).max(16_384);
const sizeSchema = z.union(
  [
    pixels,
    z.tuple([pixels, pixels]), // height, width
    z.object({
      height: pixels.optional(),
      width: pixels.optional(),
      shortest_edge: pixels.nullish(),
      longest_edge: pixels.nullish(),
    }),
  ],
  { error: "must be whole pixels from 1 to 16384: a number, [height, width], or by the names of sides" },
);
const perChannel = z.union([z.number(), z.tuple([z.number(), z.number(), z.number()])], {
  error: "must be one number, or one for each of red, green and blue",
});
const level = z.number().int().min(0).max(255);
const flag = z.boolean().nullish();

export const preprocessorSchema = z.object({
  image_processor_type: z.string().nullish(),
  feature_extractor_type: z.string().nullish(),
  background_color: z.tuple([level, level, level]).nullish(), // ours: what transparent pictures are laid over
  do_resize: flag,
  size: sizeSchema.nullish(),
  max_size: pixels.nullish(), // the old name of size.longest_edge
  resample: z.number().int().nullish(),
  do_center_crop: flag,
  crop_size: sizeSchema.nullish(),
  crop_pct: z.number().gt(0).max(1).nullish(),
  do_rescale: flag,
  rescale_factor: z.number().positive().nullish(),
  do_normalize: flag,
  image_mean: perChannel.nullish(),
  image_std: perChannel.nullish(),
  do_flip_channel_order: flag,
  do_pad: flag,
  pad_size: sizeSchema.nullish(),
});

/** The fields of a file, `null` read as absent. */
export type PreprocessorFields = {
  readonly [Key in keyof z.infer<typeof preprocessorSchema>]?: NonNullable<
    z.infer<typeof preprocessorSchema>[Key]
  >;
};
