/**
 * Image files to pixels, with sharp (libvips), in threads of its own. What comes out equals Pillow's
 * `exif_transpose(image).convert("RGB")`: alpha is dropped (unless a background is named), grey is repeated, CMYK goes
 * to RGB by Pillow's formula, profiles are ignored, and of 16 bits the upper 8 count (Pillow cuts 16-bit grey at 255).
 */

import type { Metadata, Sharp } from "sharp";
import { ImageError } from "../errors.ts";
import { availableThreads } from "../runtime/threads.ts";
import { type RgbImage, rgbImage } from "./image.ts";
import { imageFormatOf } from "./image-format.ts";
import { PixelBudget } from "./pixel-budget.ts";
import { loadSharp } from "./sharp.ts";

export interface ImageLimits {
  /** Size of the file in bytes; default 64 MiB. */
  readonly maxBytes?: number;
  /** Width times height; default 50 million. */
  readonly maxPixels?: number;
  /** Frames of an animation, of which the first is read; default 1,000. */
  readonly maxFrames?: number;
  /** Longest time one image may take, in seconds; default 30. */
  readonly timeoutSeconds?: number;
}

/** Decodes images within limits. All that share a decoder share its memory: `maxPixels` in flight, or one image. */
export class ImageDecoder {
  private readonly limits: Required<ImageLimits>;
  private readonly budget: PixelBudget;

  /** `background`: levels of the colour that transparent pictures are laid over; by default transparency is dropped. */
  constructor(
    { maxBytes = 2 ** 26, maxPixels = 50e6, maxFrames = 1000, timeoutSeconds = 30 }: ImageLimits = {},
    private readonly background?: readonly number[],
  ) {
    this.limits = { maxBytes, maxPixels, maxFrames, timeoutSeconds };
    this.budget = new PixelBudget(availableThreads(), maxPixels);
  }

  /**
   * Pixels of a JPEG, PNG, WebP, GIF or AVIF file, whatever its name; `where` names it in messages.
   * @throws ImageError when it is damaged, truncated, of another format or beyond a limit.
   */
  async decode(bytes: Uint8Array, where = "image"): Promise<RgbImage> {
    this.checkBytes(bytes, where);
    const sharp = await loadSharp();
    const options = { failOn: "error", ignoreIcc: true, sequentialRead: true } as const;
    // Without sharp's own limit, whose message has no sizes; only the header is read here.
    const metadata = await sharp(bytes, { ...options, limitInputPixels: false })
      .metadata()
      .catch((cause: unknown) => {
        throw damaged(where, cause);
      });
    this.checkMetadata(metadata, where);
    const reader = sharp(bytes, { ...options, limitInputPixels: this.limits.maxPixels }).timeout({
      seconds: this.limits.timeoutSeconds,
    });
    const decodePixels = metadata.space === "cmyk" ? readCmyk : readRgb;
    if (this.background && metadata.hasAlpha) layOver(reader, this.background);
    return this.budget.run(metadata.width * metadata.height, () =>
      decodePixels(reader).catch((cause: unknown) => {
        throw damaged(where, cause);
      }),
    );
  }

  private checkBytes(bytes: Uint8Array, where: string): void {
    const { maxBytes } = this.limits;
    if (bytes.length === 0) throw new ImageError(`${where}: is empty; expected an image file`);
    if (bytes.length > maxBytes) {
      throw new ImageError(`${where}: must have at most ${maxBytes} bytes, got ${bytes.length}`, {
        problem: "too large",
      });
    }
    if (!imageFormatOf(bytes)) {
      const start = Buffer.from(bytes.subarray(0, 4)).toString("hex");
      throw new ImageError(
        `${where}: must be JPEG, PNG, WebP, GIF or AVIF, but starts with the bytes ${start}`,
        { problem: "wrong type" },
      );
    }
  }

  private checkMetadata({ width, height, pages = 1 }: Metadata, where: string): void {
    const { maxPixels, maxFrames } = this.limits;
    if (width * height > maxPixels) {
      throw new ImageError(`${where}: must have at most ${maxPixels} pixels, got ${width} × ${height}`, {
        problem: "too large",
      });
    }
    if (pages > maxFrames) {
      throw new ImageError(`${where}: must have at most ${maxFrames} frames, got ${pages}`, {
        problem: "animated",
      });
    }
  }
}

function damaged(where: string, cause: unknown): ImageError {
  const { message } = cause as Error;
  const reason = message.replace(/^(Input buffer has corrupt header:|Unknown error)\s*/, "").split("\n")[0];
  const detail = reason ? ` (${reason})` : "";
  return new ImageError(`${where}: cannot be decoded; it is damaged or cut off${detail}`, { cause });
}

const layOver = (reader: Sharp, [r, g, b]: readonly number[]): Sharp =>
  reader.flatten({ background: { r: r!, g: g!, b: b! } });

async function readRgb(reader: Sharp): Promise<RgbImage> {
  const { data, info } = await reader
    .autoOrient()
    .removeAlpha()
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return rgbImage(info, data);
}

async function readCmyk(reader: Sharp): Promise<RgbImage> {
  const { data, info } = await reader
    .pipelineColourspace("cmyk")
    .autoOrient()
    .toColourspace("cmyk")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return cmykToRgb(rgbImage(info), data);
}

/** Red = (255 − K) − cyan · (255 − K) / 255, and so on, with Pillow's rounding. */
function cmykToRgb(image: RgbImage, inks: Uint8Array): RgbImage {
  for (let pixel = 0; pixel < image.width * image.height; pixel++) {
    const light = 255 - inks[pixel * 4 + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      const product = inks[pixel * 4 + channel]! * light + 128;
      image.data[pixel * 3 + channel] = light - (((product >> 8) + product) >> 8);
    }
  }
  return image;
}
