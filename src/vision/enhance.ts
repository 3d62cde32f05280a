/** Pillow's ImageEnhance: a picture moved away from, or towards, a degenerate form of itself. Factor 1 changes nothing. */

import { type RgbImage, rgbImage } from "./image.ts";

const { fround } = Math;

/** Luma of ITU-R 601 in 16-bit fixed point, as Pillow's conversion to grey. */
const greyOf = (data: Uint8Array, at: number): number =>
  (data[at]! * 19_595 + data[at + 1]! * 38_470 + data[at + 2]! * 7471 + 0x8000) >> 16;

/** base + factor · (image − base), in float32 and cut to whole levels. */
function blend(base: RgbImage, image: RgbImage, factor: number): RgbImage {
  const share = fround(factor);
  const mixed = new Uint8ClampedArray(image.data.length);
  for (let i = 0; i < mixed.length; i++) {
    const from = base.data[i]!;
    mixed[i] = Math.trunc(fround(from + fround(share * (image.data[i]! - from))));
  }
  return rgbImage(image, new Uint8Array(mixed.buffer));
}

const uniform = (image: RgbImage, level: number): RgbImage =>
  rgbImage(image, new Uint8Array(image.data.length).fill(level));

/** 0 is grey, 2 has twice the saturation. */
export function adjustColor(image: RgbImage, factor: number): RgbImage {
  const grey = rgbImage(image);
  for (let i = 0; i < grey.data.length; i += 3) {
    const level = greyOf(image.data, i);
    grey.data[i] = level;
    grey.data[i + 1] = level;
    grey.data[i + 2] = level;
  }
  return blend(grey, image, factor);
}

/** 0 is the mean grey everywhere. */
export function adjustContrast(image: RgbImage, factor: number): RgbImage {
  let total = 0;
  for (let i = 0; i < image.data.length; i += 3) total += greyOf(image.data, i);
  return blend(uniform(image, Math.trunc(total / (image.data.length / 3) + 0.5)), image, factor);
}

/** 0 is black. */
export const adjustBrightness = (image: RgbImage, factor: number): RgbImage =>
  blend(uniform(image, 0), image, factor);

/** 0 is smoothed, above 1 is sharper. */
export const adjustSharpness = (image: RgbImage, factor: number): RgbImage =>
  blend(smooth(image), image, factor);

/** Weighs each pixel by 5/13 and its eight neighbours by 1/13, in float32; the outermost pixels stay. */
function smooth(image: RgbImage): RgbImage {
  const { width, height, data } = image;
  const smoothed = rgbImage(image, data.slice());
  const rowBytes = width * 3;
  for (let y = 1; y < height - 1; y++) {
    for (let at = y * rowBytes + 3; at < (y + 1) * rowBytes - 3; at++) {
      let sum = fround(0.5 + threeAt(data, at + rowBytes, around));
      sum = fround(sum + threeAt(data, at, center));
      sum = fround(sum + threeAt(data, at - rowBytes, around));
      smoothed.data[at] = Math.max(0, Math.min(255, Math.trunc(sum)));
    }
  }
  return smoothed;
}

const [center, around] = [fround(5 / 13), fround(1 / 13)];

/** A level and those to its left and right, weighted. */
const threeAt = (data: Uint8Array, at: number, weight: number): number =>
  fround(
    fround(fround(data[at - 3]! * around) + fround(data[at]! * weight)) + fround(data[at + 3]! * around),
  );
