/** Images that are damaged on purpose, and small files that claim to be huge. */

import { crc32 } from "node:zlib";
import sharp from "sharp";
import type { Random } from "../../src/tensor/random.ts";
import { type Mutation, mutate } from "./mutate.ts";

/** One picture in every format that is read, also progressive, with alpha, grey, 16-bit and animated. */
export async function imageVariants(pixels: Uint8Array, width: number, height: number): Promise<Buffer[]> {
  const image = sharp(pixels, { raw: { width, height, channels: 3 } });
  const frames = { raw: { width, height: height * 2, channels: 3, pageHeight: height } } as const;
  return Promise.all([
    image.clone().jpeg().toBuffer(),
    image.clone().jpeg({ progressive: true }).withMetadata({ orientation: 6 }).toBuffer(),
    image.clone().toColourspace("cmyk").jpeg().toBuffer(),
    image.clone().png().toBuffer(),
    image.clone().ensureAlpha(0.5).png({ palette: true }).toBuffer(),
    image.clone().toColourspace("rgb16").png({ progressive: true }).toBuffer(),
    image.clone().webp().toBuffer(),
    image.clone().greyscale().webp({ lossless: true }).toBuffer(),
    sharp(Buffer.concat([pixels, pixels]), frames)
      .gif()
      .toBuffer(),
    image.clone().avif({ effort: 0 }).toBuffer(),
  ]);
}

/** One to four random changes. */
export function damage(bytes: Uint8Array, random: Random): Mutation {
  let result: Mutation = { bytes, description: "" };
  for (let left = 1 + random.integer(4); left > 0; left--) {
    if (result.bytes.length === 0) break;
    const { bytes: changed, description } = mutate(result.bytes, random);
    result = { bytes: changed, description: `${result.description}${description}; ` };
  }
  return result;
}

function pngChunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), content]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(content.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

/** A well-formed PNG header of any size, followed by `compressed` as its picture. */
export function pngOf(width: number, height: number, compressed: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    pngChunk("IHDR", header),
    pngChunk("IDAT", compressed),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A GIF of 1 × 1 pixels with so many frames. */
export function gifOf(frames: number): Buffer {
  const header = Buffer.from("47494638396101000100800000000000ffffff", "hex");
  const frame = Buffer.from("21f90400000000002c00000000010001000002024401 00".replace(" ", ""), "hex");
  return Buffer.concat([header, ...Array.from({ length: frames }, () => frame), Buffer.from([0x3b])]);
}
