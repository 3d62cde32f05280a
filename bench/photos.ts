/** Photos for the picture benches. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { readShardFolder } from "../src/data/webdataset.ts";
import { Random } from "../src/tensor/random.ts";

/** JPEG files of `count` photos of coco_mini/ in the data folder, or of drawn pictures where it is not there. */
export async function readPhotos(data: string, count: number): Promise<Uint8Array[]> {
  const folder = join(data, "coco_mini");
  if (!existsSync(folder)) {
    console.log(`${folder} is not there (give --data): pictures are drawn`);
    return Promise.all(Array.from({ length: count }, (_, at) => drawnPhoto(at)));
  }
  const { examples } = (await readShardFolder(folder))!;
  const chosen = Array.from({ length: count }, (_, at) => examples[at % examples.length]!);
  return Promise.all(chosen.map(async ({ load }) => (await load()) as Uint8Array));
}

/** Waves with some noise, which compress about as well as a photo. */
async function drawnPhoto(seed: number): Promise<Uint8Array> {
  const [width, height] = [340, 256];
  const random = new Random(seed);
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return 128 + 80 * Math.sin(x / 31 + (i % 3)) * Math.cos(y / 23) + 12 * random.normal();
  });
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
}
