/** Moving a picture's pixels by an affine map, as Pillow's `transform` and `rotate` do; what is uncovered gets one colour. */

import { type RgbImage, rgbImage } from "./image.ts";

/** Where the output pixel (x, y) comes from: (a x + b y + c, d x + e y + f). */
export type AffineMap = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

export interface AffineOptions {
  readonly filter: "bilinear" | "bicubic";
  /** Red, green and blue of pixels that come from outside. */
  readonly fill: readonly [number, number, number];
}

export function transformAffine(
  image: RgbImage,
  [a, b, c, d, e, f]: AffineMap,
  { filter, fill }: AffineOptions,
): RgbImage {
  const { width, height } = image;
  const sample = samplers[filter];
  const moved = rgbImage(image);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const fromX = a * (x + 0.5) + b * (y + 0.5) + c;
      const fromY = d * (x + 0.5) + e * (y + 0.5) + f;
      const at = (y * width + x) * 3;
      const isInside = fromX >= 0 && fromX < width && fromY >= 0 && fromY < height;
      if (isInside) sample(image, fromX - 0.5, fromY - 0.5, moved.data, at);
      else moved.data.set(fill, at);
    }
  }
  return moved;
}

/** Writes the colour at a place between pixels; taps beyond the edge repeat the edge. */
type Sampler = (image: RgbImage, x: number, y: number, into: Uint8Array, at: number) => void;

const sampleBilinear: Sampler = ({ width, height, data }, x, y, into, at) => {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [x0, x1] = [clamp(left, width) * 3, clamp(left + 1, width) * 3];
  const [row0, row1] = [clamp(top, height) * width * 3, clamp(top + 1, height) * width * 3];
  for (let channel = 0; channel < 3; channel++) {
    const above = mix(data[row0 + x0 + channel]!, data[row0 + x1 + channel]!, x - left);
    const below = mix(data[row1 + x0 + channel]!, data[row1 + x1 + channel]!, x - left);
    into[at + channel] = Math.trunc(mix(above, below, y - top));
  }
};

const mix = (a: number, b: number, t: number): number => a + (b - a) * t;

const sampleBicubic: Sampler = ({ width, height, data }, x, y, into, at) => {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const x0 = clamp(left - 1, width) * 3;
  const x1 = clamp(left, width) * 3;
  const x2 = clamp(left + 1, width) * 3;
  const x3 = clamp(left + 2, width) * 3;
  for (let channel = 0; channel < 3; channel++) {
    for (let line = 0; line < 4; line++) {
      const row = clamp(top - 1 + line, height) * width * 3 + channel;
      lines[line] = cubic(data[row + x0]!, data[row + x1]!, data[row + x2]!, data[row + x3]!, x - left);
    }
    const value = cubic(lines[0]!, lines[1]!, lines[2]!, lines[3]!, y - top);
    into[at + channel] = Math.max(0, Math.min(255, Math.trunc(value)));
  }
};

/** The four rows of one place; kept, since an array for each pixel is slow. */
const lines = new Float64Array(4);

/** The cubic with a = −1, which Pillow uses here (and not in `resize`). */
const cubic = (a: number, b: number, c: number, d: number, t: number): number =>
  b + t * (c - a + t * (2 * (a - b) + c - d + t * (b - a - c + d)));

const samplers: Readonly<Record<AffineOptions["filter"], Sampler>> = {
  bilinear: sampleBilinear,
  bicubic: sampleBicubic,
};

const clamp = (at: number, size: number): number => Math.max(0, Math.min(size - 1, at));

/** Turned counter-clockwise about the centre. */
export function rotate(image: RgbImage, degrees: number, options: AffineOptions): RgbImage {
  const angle = -(((degrees % 360) + 360) % 360) * (Math.PI / 180);
  if (angle === 0) return image;
  const [centerX, centerY] = [image.width / 2, image.height / 2];
  const [cos, sin] = [roundTo15(Math.cos(angle)), roundTo15(Math.sin(angle))];
  const offsetX = cos * -centerX + sin * -centerY + centerX;
  const offsetY = -sin * -centerX + cos * -centerY + centerY;
  return transformAffine(image, [cos, sin, offsetX, -sin, cos, offsetY], options);
}

/** To 15 decimals, so that right angles are exact. */
const roundTo15 = (value: number): number => Number(value.toFixed(15));

export const shearX = (image: RgbImage, factor: number, options: AffineOptions): RgbImage =>
  transformAffine(image, [1, factor, 0, 0, 1, 0], options);

export const shearY = (image: RgbImage, factor: number, options: AffineOptions): RgbImage =>
  transformAffine(image, [1, 0, 0, factor, 1, 0], options);

/** Moved to the left by a share of the width. */
export const translateX = (image: RgbImage, share: number, options: AffineOptions): RgbImage =>
  transformAffine(image, [1, 0, share * image.width, 0, 1, 0], options);

/** Moved up by a share of the height. */
export const translateY = (image: RgbImage, share: number, options: AffineOptions): RgbImage =>
  transformAffine(image, [1, 0, 0, 0, 1, share * image.height], options);
