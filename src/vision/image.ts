/** Decoded pictures: 8-bit RGB, as every image processor expects them. */

import { ShapeError } from "../errors.ts";

/** Pixels row by row from the top left, three bytes each: red, green, blue. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A part of a picture in whole pixels. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A picture of these bytes; black without them. @throws ShapeError when the bytes are not width · height · 3. */
export function rgbImage(
  { width, height }: Size,
  data: Uint8Array = new Uint8Array(width * height * 3),
): RgbImage {
  if (data.length === width * height * 3) return { width, height, data };
  throw new ShapeError(
    `image of ${width} × ${height}: expected ${width * height * 3} bytes, got ${data.length}`,
  );
}

export const wholeOf = ({ width, height }: Size): Region => ({ left: 0, top: 0, width, height });

/** A copy of a region; what lies outside the picture is black. */
export function crop(image: RgbImage, region: Region): RgbImage {
  const cropped = rgbImage(region);
  const left = Math.max(0, region.left);
  const right = Math.min(image.width, region.left + region.width);
  const bottom = Math.min(image.height, region.top + region.height);
  if (right <= left) return cropped;
  for (let y = Math.max(0, region.top); y < bottom; y++) {
    const row = image.data.subarray((y * image.width + left) * 3, (y * image.width + right) * 3);
    cropped.data.set(row, ((y - region.top) * region.width + left - region.left) * 3);
  }
  return cropped;
}

/** The mirror image, left and right exchanged. */
export function flipHorizontally({ width, height, data }: RgbImage): RgbImage {
  const flipped = rgbImage({ width, height });
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 3;
      const to = (y * width + width - 1 - x) * 3;
      flipped.data[to] = data[from]!;
      flipped.data[to + 1] = data[from + 1]!;
      flipped.data[to + 2] = data[from + 2]!;
    }
  }
  return flipped;
}
