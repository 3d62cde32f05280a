/** Pictures to files. */

import type { RgbImage } from "./image.ts";
import { loadSharp } from "./sharp.ts";

/** A PNG file; `enlarge` repeats every pixel so many times along both axes, from 1. */
export async function encodePng({ width, height, data }: RgbImage, enlarge = 1): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const image = sharp(data, { raw: { width, height, channels: 3 } });
  const size = { width: width * enlarge, height: height * enlarge };
  return image
    .resize({ ...size, kernel: "nearest" })
    .png()
    .toBuffer();
}
