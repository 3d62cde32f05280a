/** IDX files, the format of MNIST and Fashion-MNIST: a big-endian header and plain bytes. */

import { existsSync } from "node:fs";
import { ConfigError } from "../errors.ts";
import { type RgbImage, rgbImage, type Size } from "../vision/image.ts";
import type { ImageExample, ImageSet } from "./images.ts";
import { readBytes } from "./text-file.ts";

interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * Grey pictures of `…images-idx3-ubyte[.gz]`; their labels are in `…labels-idx1-ubyte[.gz]` beside it.
 * @throws ConfigError (code `data`) when a file is damaged, or the numbers of pictures and labels differ.
 */
export async function readIdx(path: string): Promise<ImageSet> {
  const images = await readIdxFile(path, 3);
  const labelPath = labelsBeside(path);
  const labels = labelPath === undefined ? undefined : await readIdxFile(labelPath, 1);
  const [count, height, width] = images.shape as [number, number, number];
  if (labels && labels.shape[0] !== count) {
    throw new ConfigError(
      `${labelPath}: must have ${count} labels, one for each picture, got ${labels.shape[0]}`,
      {
        code: "data",
      },
    );
  }
  const examples = Array.from({ length: count }, (_, at): ImageExample => {
    const pixels = images.data.subarray(at * height * width, (at + 1) * height * width);
    const label = labels && `${labels.data[at]}`;
    return { source: `${path}[${at}]`, label, load: async () => fromGrey({ width, height }, pixels) };
  });
  return { examples, badRows: [] };
}

/** The labels' file, compressed or not, whatever the images are. */
export function labelsBeside(path: string): string | undefined {
  const plain = path.replace(/\.gz$/i, "").replace(/images([.-])idx3/, "labels$1idx1");
  return [plain, `${plain}.gz`].find((name) => name !== path && existsSync(name));
}

async function readIdxFile(path: string, rank: number): Promise<IdxArray> {
  const bytes = await readBytes(path);
  const damaged = (rule: string): ConfigError => new ConfigError(`${path}: ${rule}`, { code: "data" });
  const headerBytes = 4 + 4 * rank;
  if (bytes.length < headerBytes || bytes.readUInt32BE(0) !== 0x0800 + rank) {
    throw damaged(`must be an IDX file of bytes with ${rank} axes`);
  }
  const shape = Array.from({ length: rank }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis));
  const size = shape.reduce((product, axis) => product * axis, 1);
  if (bytes.length - headerBytes === size) return { shape, data: bytes.subarray(headerBytes) };
  throw damaged(`must have ${shape.join(" × ")} bytes after its header, got ${bytes.length - headerBytes}`);
}

function fromGrey(size: Size, levels: Uint8Array): RgbImage {
  const image = rgbImage(size);
  for (let i = 0; i < image.data.length; i++) image.data[i] = levels[Math.floor(i / 3)]!;
  return image;
}
