/** Turning hues, by way of Pillow's 8-bit HSV. */

import { type RgbImage, rgbImage } from "./image.ts";

const { fround } = Math;

/** Turns all hues by a share of the circle, −0.5 to 0.5. */
export function adjustHue(image: RgbImage, turn: number): RgbImage {
  const turned = rgbImage(image);
  const by = Math.trunc(turn * 255) & 255;
  for (let i = 0; i < image.data.length; i += 3) {
    const red = image.data[i]!;
    const green = image.data[i + 1]!;
    const blue = image.data[i + 2]!;
    const value = Math.max(red, green, blue);
    const range = value - Math.min(red, green, blue);
    const saturation = range === 0 ? 0 : Math.trunc(fround(fround(range / value) * 255));
    const hue = range === 0 ? 0 : hueOf(red, green, blue, value, range);
    writeRgb(turned.data, i, (hue + by) & 255, saturation, value);
  }
  return turned;
}

/** 0 to 255 around the circle: red, yellow, green, cyan, blue, magenta. */
function hueOf(red: number, green: number, blue: number, value: number, range: number): number {
  const toRed = fround((value - red) / range);
  const toGreen = fround((value - green) / range);
  const toBlue = fround((value - blue) / range);
  let sixths: number;
  if (red === value) sixths = fround(toBlue - toGreen);
  else if (green === value) sixths = fround(2 + toRed - toBlue);
  else sixths = fround(4 + toGreen - toRed);
  const turns = sixths / 6 + (sixths < 0 ? 1 : 0);
  return Math.trunc(fround(turns) * 255);
}

function writeRgb(into: Uint8Array, at: number, hue: number, saturation: number, value: number): void {
  const sixths = (hue * 6) / 255;
  const sector = sixths | 0;
  const rest = fround(sixths - sector);
  const share = fround(saturation / 255);
  const low = roundLevel(value * (1 - share));
  const falling = roundLevel(value * (1 - share * rest));
  const rising = roundLevel(value * (1 - share * (1 - rest)));
  // Each channel takes the same course, a third of the circle apart.
  into[at] = alongCourse(sector % 6, value, falling, low, rising);
  into[at + 1] = alongCourse((sector + 4) % 6, value, falling, low, rising);
  into[at + 2] = alongCourse((sector + 2) % 6, value, falling, low, rising);
}

function alongCourse(sixth: number, high: number, falling: number, low: number, rising: number): number {
  if (sixth === 0 || sixth === 5) return high;
  if (sixth === 1) return falling;
  return sixth === 4 ? rising : low;
}

const roundLevel = (level: number): number => Math.max(0, Math.min(255, Math.floor(fround(level) + 0.5)));
