/** Defaults of Hugging Face's image processors, for fields that a preprocessor_config.json leaves out. */

import type { PreprocessorFields } from "./preprocessor-fields.ts";

const half = [0.5, 0.5, 0.5] as const;
const clipMean = [0.48145466, 0.4578275, 0.40821073] as const;
const clipStd = [0.26862954, 0.26130258, 0.27577711] as const;
const [bilinear, bicubic] = [2, 3];

/** `isSquare`: whether a `size` that is one number is that of both sides, or of the short one. */
type Defaults = PreprocessorFields & { readonly isSquare: boolean };

const square = (size: number): { height: number; width: number } => ({ height: size, width: size });
const normalizeHalf = {
  do_normalize: true,
  image_mean: [...half],
  image_std: [...half],
} satisfies PreprocessorFields;
const normalizeClip = {
  do_normalize: true,
  image_mean: [...clipMean],
  image_std: [...clipStd],
} satisfies PreprocessorFields;

/** By the class name without `ImageProcessor` or `FeatureExtractor`. */
const defaults: Readonly<Record<string, Defaults>> = {
  /** Also Swin and MAE. */
  ViT: { isSquare: true, size: square(224), resample: bilinear, ...normalizeHalf },
  DeiT: {
    isSquare: true,
    size: square(256),
    resample: bicubic,
    do_center_crop: true,
    crop_size: 224,
    ...normalizeHalf,
  },
  /** Also CvT. */
  ConvNext: {
    isSquare: false,
    size: { shortest_edge: 384 },
    crop_pct: 224 / 256,
    resample: bilinear,
    ...normalizeHalf,
  },
  MobileViT: {
    isSquare: false,
    size: { shortest_edge: 224 },
    resample: bilinear,
    do_center_crop: true,
    crop_size: 256,
    do_flip_channel_order: true,
  },
  CLIP: {
    isSquare: false,
    size: { shortest_edge: 224 },
    resample: bicubic,
    do_center_crop: true,
    crop_size: 224,
    ...normalizeClip,
  },
  Blip: { isSquare: true, size: square(384), resample: bicubic, ...normalizeClip },
  Siglip: { isSquare: true, size: square(224), resample: bicubic, ...normalizeHalf },
};

export const processorDefaults = (name: string): Defaults | undefined => defaults[name];

export const processorNames = (): string[] => Object.keys(defaults);
