/** Maps drawn over the picture they belong to. */

import { type RgbImage, rgbImage } from "../vision/image.ts";
import type { ImageMap } from "./image-maps.ts";

type Colour = readonly [number, number, number];

const hot: Colour = [255, 140, 0];
const [speaksFor, speaksAgainst]: readonly [Colour, Colour] = [
  [47, 127, 214],
  [224, 123, 40],
];
const line: Colour = [255, 255, 255];
/** How much of the picture a full colour covers. */
const cover = 0.85;

/** The darkened picture, coloured by the share of each cell's value in the largest; windows are parted by lines. */
export function drawMap(picture: RgbImage, { rows, columns, values, windows }: ImageMap): RgbImage {
  const most = Math.max(1e-12, ...values);
  const cellOf = (x: number, y: number): number =>
    Math.floor((y * rows) / picture.height) * columns + Math.floor((x * columns) / picture.width);
  const drawn = blend(picture, (x, y) => ({ colour: hot, strength: values[cellOf(x, y)]! / most }));
  for (const row of windows?.rows ?? []) {
    const y = Math.round((row * picture.height) / rows);
    for (let x = 0; x < picture.width; x++) setPixel(drawn, x, y, line);
  }
  for (const column of windows?.columns ?? []) {
    const x = Math.round((column * picture.width) / columns);
    for (let y = 0; y < picture.height; y++) setPixel(drawn, x, y, line);
  }
  return drawn;
}

/** Share of the pixels, by size, that are drawn in full colour, so that a few extremes do not hide the rest. */
const fullShare = 0.01;

/** The darkened picture, blue where pixels speak for the answer and orange where they speak against it. */
export function drawAttribution(picture: RgbImage, values: readonly number[]): RgbImage {
  const sizes = values.map(Math.abs).sort((a, b) => b - a);
  const full = Math.max(1e-12, sizes[Math.floor(sizes.length * fullShare)] ?? 0);
  return blend(picture, (x, y) => {
    const value = values[y * picture.width + x]!;
    return { colour: value < 0 ? speaksAgainst : speaksFor, strength: Math.min(1, Math.abs(value) / full) };
  });
}

/** A grey, darker copy of the picture under colours. */
function blend(
  { width, height, data }: RgbImage,
  paint: (x: number, y: number) => { colour: Colour; strength: number },
): RgbImage {
  const drawn = rgbImage({ width, height });
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      const grey = (data[at]! * 0.299 + data[at + 1]! * 0.587 + data[at + 2]! * 0.114) * 0.7;
      const { colour, strength } = paint(x, y);
      const share = strength * cover;
      for (let channel = 0; channel < 3; channel++)
        drawn.data[at + channel] = grey * (1 - share) + colour[channel]! * share;
    }
  }
  return drawn;
}

const setPixel = ({ width, data }: RgbImage, x: number, y: number, colour: Colour): void =>
  data.set(colour, (y * width + x) * 3);
