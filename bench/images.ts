/**
 * Pictures: resizing against sharp's own, augmentation, and JPEG files to pixel values.
 * `node --import tsx bench/images.ts` prints Markdown tables of medians; variants take turns.
 */

import sharp from "sharp";
import { Random } from "../src/tensor/random.ts";
import {
  augment,
  ImageDecoder,
  ImagePreprocessor,
  preprocessPlan,
  resize,
  rgbImage,
} from "../src/vision/index.ts";

const [width, height] = [640, 480];
const size = { width: 224, height: 224 };
const random = new Random(0);
/** Waves with some noise, which compress about as well as a photo. */
const photo = rgbImage(
  { width, height },
  Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return 128 + 80 * Math.sin(x / 31 + (i % 3)) * Math.cos(y / 23) + 12 * random.normal();
  }),
);
const raw = { raw: { width, height, channels: 3 } } as const;

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;

/** Median milliseconds of each variant. */
async function timeVariants(
  variants: Record<string, () => unknown>,
  turns: number,
): Promise<Record<string, number>> {
  const times: Record<string, number[]> = {};
  for (let turn = -10; turn < turns; turn++) {
    for (const [name, run] of Object.entries(variants)) {
      const start = performance.now();
      await run();
      if (turn >= 0) times[name] = [...(times[name] ?? []), performance.now() - start];
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
}

function printTable(title: string, times: Record<string, number>): void {
  console.log(`\n| ${title} | ms |\n|---|---|`);
  for (const [name, time] of Object.entries(times)) console.log(`| ${name} | ${time.toFixed(2)} |`);
}

const bySharp = (kernel: "linear" | "cubic" | "lanczos3") => () =>
  sharp(photo.data, raw).resize(224, 224, { fit: "fill", kernel }).raw().toBuffer();

const resizing = {
  "bilinear, as Pillow": () => resize(photo, size, "bilinear"),
  "bicubic, as Pillow": () => resize(photo, size, "bicubic"),
  "lanczos, as Pillow": () => resize(photo, size, "lanczos"),
  "sharp linear": bySharp("linear"),
  "sharp cubic": bySharp("cubic"),
  "sharp lanczos3": bySharp("lanczos3"),
};
printTable("640 × 480 → 224 × 224", await timeVariants(resizing, 100));

let index = 0;
const augmenting = {
  "random resized crop + flip": () => augment(photo, { size }, random.fork(index++)),
  "the same + RandAugment": () => augment(photo, { size, randAugment: {} }, random.fork(index++)),
};
printTable("one training picture", await timeVariants(augmenting, 100));

const jpeg = await sharp(photo.data, raw).jpeg({ quality: 90 }).toBuffer();
const decoder = new ImageDecoder();
const preprocessor = new ImagePreprocessor(preprocessPlan({ image_processor_type: "ViTImageProcessor" }));
const decodeAll = () => Promise.all(Array.from({ length: 64 }, () => decoder.decode(jpeg)));
const files = {
  decode: decodeAll,
  "decode, resize, normalise": async () => preprocessor.batch(await decodeAll()),
};
printTable(
  `64 JPEG files of 640 × 480, ${Math.round(jpeg.length / 1000)} kB each`,
  await timeVariants(files, 10),
);
