/** What callers may give as a picture, and how it becomes pixels. */

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { RequestError } from "../errors.ts";
import type { ImageDecoder } from "../vision/decode.ts";
import { type RgbImage, rgbImage } from "../vision/image.ts";

/** Pixels row by row, 1 (grey), 3 or 4 bytes each; a fourth is ignored. transformers.js's `RawImage` is one. */
interface PlainPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Default 3. */
  readonly channels?: number | undefined;
}

/** Bytes of an image file, or pixels. */
type ImageData = Uint8Array | PlainPixels;

/** A picture: its path, its address, the bytes of its file, or pixels. */
export type ImageSource = string | URL | ImageData;

const sideSchema = z.int().min(1).max(65_535);
const bytesSchema = z.custom<Uint8Array>((value) => value instanceof Uint8Array);

export const imageSource: z.ZodType<ImageSource> = z.union(
  [
    z.string(),
    z.instanceof(URL),
    bytesSchema,
    z.object({
      width: sideSchema,
      height: sideSchema,
      data: z.custom<PlainPixels["data"]>(
        (value) => value instanceof Uint8Array || value instanceof Uint8ClampedArray,
      ),
      channels: z.union([z.literal(1), z.literal(3), z.literal(4)]).optional(),
    }),
  ],
  "must be a path, a URL, the bytes of an image file, or pixels with width, height and data",
);

/** Gets the bytes behind a name. A server gives none, so that no caller reads its files. */
export type ImageOpener = (source: string | URL) => Promise<Uint8Array>;

const timeoutMs = 30_000;

/** Reads a file, or what an http(s), file or data address stands for. @throws RequestError when that fails. */
export async function openImageSource(source: string | URL): Promise<Uint8Array> {
  const address = String(source);
  try {
    if (/^(https?|data):/i.test(address)) return await download(address);
    return await readFile(/^file:/i.test(address) ? fileURLToPath(address) : address);
  } catch (cause) {
    const shown = address.slice(0, 200);
    throw new RequestError(`${shown}: cannot be read as a picture (${(cause as Error).message})`, { cause });
  }
}

async function download(address: string): Promise<Uint8Array> {
  const response = await fetch(address, { signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Pixels of what a caller gave. @throws RequestError for a name where there is no opener, ImageError for a bad file. */
export async function readPicture(
  source: ImageSource,
  decoder: ImageDecoder,
  open: ImageOpener | undefined,
): Promise<RgbImage> {
  if (typeof source === "string" || source instanceof URL) {
    if (!open) throw new RequestError("picture: must be the bytes of an image file, got a name");
    return decoder.decode(await open(source), String(source).slice(0, 200));
  }
  return source instanceof Uint8Array ? decoder.decode(source) : fromPixels(source);
}

function fromPixels({ width, height, data, channels = 3 }: PlainPixels): RgbImage {
  const count = width * height;
  if (data.length !== count * channels) {
    throw new RequestError(
      `picture: ${width} × ${height} pixels of ${channels} bytes need ${count * channels} bytes, got ${data.length}`,
    );
  }
  const image = rgbImage({ width, height });
  for (let pixel = 0; pixel < count; pixel++) {
    for (let channel = 0; channel < 3; channel++)
      image.data[pixel * 3 + channel] = data[pixel * channels + Math.min(channel, channels - 1)]!;
  }
  return image;
}
