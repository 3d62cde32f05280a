/**
 * Pillow's resize, bit for bit: a horizontal pass, then a vertical one, with weights in 22-bit fixed point and 8 bits
 * between the passes. The filter widens with the scale, so shrinking does not alias.
 */

import { ConfigError } from "../errors.ts";
import { type Region, type RgbImage, rgbImage, type Size, wholeOf } from "./image.ts";

/** Pillow's filters at their numbers, which `resample` of a preprocessor_config.json holds. */
export const resampleNames = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"] as const;
export type Resample = (typeof resampleNames)[number];

interface Filter {
  readonly support: number; // half of the width, in pixels of the smaller picture
  readonly weight: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

const cubicA = -0.5; // Keys 1981; OpenCV and PyTorch take −0.75

const filters: Readonly<Record<Exclude<Resample, "nearest">, Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (x) => (Math.abs(x) < 1 ? sinc(x) * (0.54 + 0.46 * Math.cos(x * Math.PI)) : 0),
  },
  bicubic: { support: 2, weight: (x) => cubic(Math.abs(x)) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

function cubic(x: number): number {
  if (x < 1) return ((cubicA + 2) * x - (cubicA + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * cubicA : 0;
}

const fractionBits = 22; // 32 bits less 8 of a pixel, one of overshoot and the sign
const oneHalf = 1 << (fractionBits - 1);

/** For each output pixel its first input pixel, how many it takes, and their weights, `stride` apart. */
interface Weights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly values: Int32Array;
  readonly stride: number;
}

function weightsFor({ support, weight }: Filter, inSize: number, outSize: number): Weights {
  const scale = inSize / outSize;
  const widening = Math.max(1, scale);
  const reach = support * widening;
  const stride = Math.ceil(reach) * 2 + 1;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const values = new Int32Array(outSize * stride);
  for (let at = 0; at < outSize; at++) {
    const center = (at + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - reach + 0.5));
    const taps = Math.min(inSize, Math.trunc(center + reach + 0.5)) - start;
    const raw = Array.from({ length: taps }, (_, i) => weight((i + start - center + 0.5) * (1 / widening)));
    const total = raw.reduce((sum, value) => sum + value, 0);
    first[at] = start;
    count[at] = taps;
    for (const [i, value] of raw.entries())
      values[at * stride + i] = toFixedPoint(total ? value / total : value);
  }
  return { first, count, values, stride };
}

/** Rounded to nearest, halves away from zero. */
const toFixedPoint = (value: number): number =>
  Math.trunc(value * 2 ** fractionBits + (value < 0 ? -0.5 : 0.5));

/**
 * A region of a picture (default: all of it) at another size, as if it had been cut out first.
 * @throws ConfigError for a size that is not positive integers.
 */
export function resize(
  image: RgbImage,
  size: Size,
  filter: Resample = "bicubic",
  region: Region = wholeOf(image),
): RgbImage {
  const { width, height } = size;
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new ConfigError(`resize: the size must be positive integers, got ${width} × ${height}`);
  }
  if (filter === "nearest") return resizeNearest(image, size, region);
  const kernel = filters[filter];
  const narrow =
    width === region.width && region.width === image.width && region.left === 0
      ? { width, height: region.height, data: image.data.subarray(region.top * width * 3) }
      : resizeRows(image, region, width, weightsFor(kernel, region.width, width));
  if (height === region.height) return rgbImage(size, narrow.data.slice(0, width * height * 3));
  return resizeColumns(narrow, height, weightsFor(kernel, region.height, height));
}

/** Every row of the region at a new width. Two rows at a time share the loads of weights. */
function resizeRows(image: RgbImage, region: Region, width: number, weights: Weights): RgbImage {
  const { first, count, values, stride } = weights;
  const source = image.data;
  const data = new Uint8ClampedArray(width * region.height * 3);
  for (let y = 0; y < region.height; y += 2) {
    const isLast = y + 1 === region.height; // then it is its own second row
    const sourceRow = isLast ? 0 : image.width * 3;
    const dataRow = isLast ? 0 : width * 3;
    const row = ((y + region.top) * image.width + region.left) * 3;
    let out = y * width * 3;
    for (let x = 0; x < width; x++) {
      let at = row + first[x]! * 3;
      let [red, green, blue] = [oneHalf, oneHalf, oneHalf];
      let [redBelow, greenBelow, blueBelow] = [oneHalf, oneHalf, oneHalf];
      const start = x * stride;
      const end = start + count[x]!;
      for (let tap = start; tap < end; tap++, at += 3) {
        const weight = values[tap]!;
        const below = at + sourceRow;
        red = (red + Math.imul(source[at]!, weight)) | 0;
        green = (green + Math.imul(source[at + 1]!, weight)) | 0;
        blue = (blue + Math.imul(source[at + 2]!, weight)) | 0;
        redBelow = (redBelow + Math.imul(source[below]!, weight)) | 0;
        greenBelow = (greenBelow + Math.imul(source[below + 1]!, weight)) | 0;
        blueBelow = (blueBelow + Math.imul(source[below + 2]!, weight)) | 0;
      }
      const outBelow = out + dataRow;
      data[out] = red >> fractionBits;
      data[out + 1] = green >> fractionBits;
      data[out + 2] = blue >> fractionBits;
      data[outBelow] = redBelow >> fractionBits;
      data[outBelow + 1] = greenBelow >> fractionBits;
      data[outBelow + 2] = blueBelow >> fractionBits;
      out += 3;
    }
  }
  return { width, height: region.height, data: bytesOf(data) };
}

/** Every column at a new height. */
function resizeColumns({ width, data: source }: RgbImage, height: number, weights: Weights): RgbImage {
  const { first, count, values, stride } = weights;
  const rowBytes = width * 3;
  const data = new Uint8ClampedArray(rowBytes * height);
  for (let y = 0, out = 0; y < height; y++) {
    const start = y * stride;
    const end = start + count[y]!;
    for (let x = 0; x < rowBytes; x += 3, out += 3) {
      let [red, green, blue] = [oneHalf, oneHalf, oneHalf];
      for (let tap = start, at = first[y]! * rowBytes + x; tap < end; tap++, at += rowBytes) {
        const weight = values[tap]!;
        red = (red + Math.imul(source[at]!, weight)) | 0;
        green = (green + Math.imul(source[at + 1]!, weight)) | 0;
        blue = (blue + Math.imul(source[at + 2]!, weight)) | 0;
      }
      data[out] = red >> fractionBits;
      data[out + 1] = green >> fractionBits;
      data[out + 2] = blue >> fractionBits;
    }
  }
  return rgbImage({ width, height }, bytesOf(data));
}

const bytesOf = (data: Uint8ClampedArray): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.length);

/** The pixel under the centre of each output pixel; steps are added up as Pillow does. */
function resizeNearest(image: RgbImage, size: Size, region: Region): RgbImage {
  const columns = nearestPositions(region.width, size.width);
  const rows = nearestPositions(region.height, size.height);
  const resized = rgbImage(size);
  let out = 0;
  for (const y of rows) {
    const row = (y + region.top) * image.width + region.left;
    for (const x of columns) {
      const at = (row + x) * 3;
      resized.data[out++] = image.data[at]!;
      resized.data[out++] = image.data[at + 1]!;
      resized.data[out++] = image.data[at + 2]!;
    }
  }
  return resized;
}

function nearestPositions(inSize: number, outSize: number): Int32Array {
  const scale = inSize / outSize;
  const positions = new Int32Array(outSize);
  let at = scale * 0.5;
  for (let i = 0; i < outSize; i++, at += scale) positions[i] = Math.min(inSize - 1, Math.trunc(at));
  return positions;
}
