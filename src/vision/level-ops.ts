/** Changes of colours by a table of the 256 levels of each channel, equal to those of Pillow's ImageOps. */

import { type RgbImage, rgbImage } from "./image.ts";

/** A new level for each level of one channel. */
type Table = ArrayLike<number>;

/** Gives red, green and blue new levels. */
function mapLevels(image: RgbImage, tables: readonly Table[]): RgbImage {
  const mapped = rgbImage(image);
  for (let i = 0; i < image.data.length; i++) mapped.data[i] = tables[i % 3]![image.data[i]!]!;
  return mapped;
}

const mapAll = (image: RgbImage, level: (value: number) => number): RgbImage => {
  const table = Uint8Array.from({ length: 256 }, (_, value) => level(value));
  return mapLevels(image, [table, table, table]);
};

/** How often each level occurs in one channel. */
function histogram({ data }: RgbImage, channel: number): Uint32Array {
  const counts = new Uint32Array(256);
  for (let i = channel; i < data.length; i += 3) counts[data[i]!]!++;
  return counts;
}

const identity = Uint8Array.from({ length: 256 }, (_, value) => value);

const byHistogram = (image: RgbImage, tableOf: (counts: Uint32Array) => Table): RgbImage =>
  mapLevels(
    image,
    [0, 1, 2].map((channel) => tableOf(histogram(image, channel))),
  );

/** Stretches each channel so that its darkest level becomes 0 and its lightest 255. */
export const autoContrast = (image: RgbImage): RgbImage =>
  byHistogram(image, (counts) => {
    const darkest = counts.findIndex((count) => count > 0);
    const lightest = counts.findLastIndex((count) => count > 0);
    if (lightest <= darkest) return identity;
    const scale = 255 / (lightest - darkest);
    return Uint8ClampedArray.from({ length: 256 }, (_, value) => Math.trunc(value * scale - darkest * scale));
  });

/** Spreads each channel so that all levels occur about equally often. */
export const equalize = (image: RgbImage): RgbImage =>
  byHistogram(image, (counts) => {
    const used = counts.filter((count) => count > 0);
    const step = Math.floor((image.width * image.height - used.at(-1)!) / 255);
    if (used.length <= 1 || step === 0) return identity;
    let below = Math.floor(step / 2);
    return Uint8ClampedArray.from({ length: 256 }, (_, value) => {
      const level = Math.floor(below / step);
      below += counts[value]!;
      return level;
    });
  });

export const invert = (image: RgbImage): RgbImage => mapAll(image, (value) => 255 - value);

/** Keeps the upper `bits` (0 to 8) of each level. */
export const posterize = (image: RgbImage, bits: number): RgbImage =>
  mapAll(image, (value) => value & (0xff << (8 - bits)));

/** Inverts the levels from `threshold` (0 to 256) on. */
export const solarize = (image: RgbImage, threshold: number): RgbImage =>
  mapAll(image, (value) => (value < threshold ? value : 255 - value));

/** Adds to the levels below 128. */
export const solarizeAdd = (image: RgbImage, amount: number): RgbImage =>
  mapAll(image, (value) => (value < 128 ? Math.min(255, value + amount) : value));
