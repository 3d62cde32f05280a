/** Pictures made of others. */

import { type RgbImage, rgbImage } from "./image.ts";

/** White pixels between pictures that stand side by side. */
const gap = 4;

/** Pictures of one height in a row, on white. */
export function sideBySide(images: readonly RgbImage[]): RgbImage {
  const height = Math.max(...images.map((image) => image.height));
  const width = images.reduce((sum, image) => sum + image.width + gap, -gap);
  const row = rgbImage({ width, height });
  row.data.fill(255);
  let left = 0;
  for (const image of images) {
    for (let y = 0; y < image.height; y++) {
      const line = image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3);
      row.data.set(line, (y * width + left) * 3);
    }
    left += image.width + gap;
  }
  return row;
}
