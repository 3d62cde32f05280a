/** From pictures to a model's `pixel_values`: resize, centre crop, rescale, normalise, channel order, padding. */

import { ShapeError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { crop, type RgbImage, type Size } from "./image.ts";
import { type Resample, resize } from "./resample.ts";
import { type SizeRule, sizeAfter } from "./size-rule.ts";

/** The steps in their order; what is left out is not done. */
export interface PreprocessPlan {
  /** Levels of the colour that transparent pictures are laid over when they are decoded; else transparency is dropped. */
  readonly background?: readonly number[];
  readonly resize?: { readonly rule: SizeRule; readonly filter: Resample };
  readonly crop?: Size & { readonly rounding: CropRounding };
  /** What the levels 0 to 255 are multiplied with or divided by, in float32. */
  readonly scale?: { readonly by: "factor" | "divisor"; readonly value: number };
  /** (x − mean) / std for red, green and blue. */
  readonly normalize?: { readonly mean: readonly number[]; readonly std: readonly number[] };
  /** Channels in the order blue, green, red. */
  readonly isBgr?: boolean;
  /** Zeros at the right and at the bottom, up to this size or to the largest picture of the batch. */
  readonly pad?: Size | "largest";
}

/** Where the middle is when a margin is odd: down (transformers), or to the even number (torchvision). */
export type CropRounding = "floor" | "half-even";

/** Applies a plan to pictures. */
export class ImagePreprocessor {
  private readonly levels: readonly Float32Array[];

  constructor(readonly plan: PreprocessPlan) {
    this.levels = [0, 1, 2].map((channel) => levelValues(plan, channel));
  }

  /** The first step alone: a picture as it is before cropping. */
  resized(image: RgbImage): RgbImage {
    const { resize: step } = this.plan;
    return step ? resize(image, sizeAfter(step.rule, image), step.filter) : image;
  }

  /** All steps that keep 8 bits: resizing and cropping. */
  prepare(image: RgbImage): RgbImage {
    const resized = this.resized(image);
    return this.plan.crop ? centerCrop(resized, this.plan.crop) : resized;
  }

  /** Pictures → [B, 3, H, W]. @throws ShapeError when they come out in several sizes and are not padded. */
  batch(images: readonly RgbImage[]): Tensor {
    return this.tensorOf(images.map((image) => this.prepare(image)));
  }

  /** The steps after `prepare`: prepared pictures → [B, 3, H, W]. @throws ShapeError as `batch`. */
  tensorOf(prepared: readonly RgbImage[]): Tensor {
    const size = this.commonSize(prepared);
    const pictureSize = 3 * size.height * size.width;
    const values = new Float32Array(prepared.length * pictureSize);
    for (const [at, image] of prepared.entries()) {
      this.writePlanes(image, values.subarray(at * pictureSize, (at + 1) * pictureSize), size);
    }
    return new Tensor("float32", [prepared.length, 3, size.height, size.width], values);
  }

  private writePlanes({ width, height, data }: RgbImage, into: Float32Array, size: Size): void {
    for (let channel = 0; channel < 3; channel++) {
      const levels = this.levels[channel]!;
      const plane = (this.plan.isBgr ? 2 - channel : channel) * size.height;
      for (let y = 0; y < height; y++) {
        const row = (plane + y) * size.width;
        let from = y * width * 3 + channel;
        for (let x = 0; x < width; x++, from += 3) into[row + x] = levels[data[from]!]!;
      }
    }
  }

  private commonSize(images: readonly RgbImage[]): Size {
    const { pad } = this.plan;
    const largest = {
      width: Math.max(...images.map(({ width }) => width)),
      height: Math.max(...images.map(({ height }) => height)),
    };
    if (pad === "largest") return largest;
    const target = pad ?? largest;
    const misfit = images.find(({ width, height }) =>
      pad ? width > pad.width || height > pad.height : width !== target.width || height !== target.height,
    );
    if (!misfit) return target;
    const rule = `must ${pad ? "fit into" : "all be"} ${target.width} × ${target.height}`;
    throw new ShapeError(
      `images: ${rule} after resizing and cropping, got ${misfit.width} × ${misfit.height}; give an exact size or a crop`,
    );
  }
}

/** What each of the 256 levels becomes, rounded to float32 after every step as the reference does. */
function levelValues({ scale, normalize }: PreprocessPlan, channel: number): Float32Array {
  const { fround } = Math;
  const mean = fround(normalize?.mean[channel] ?? 0);
  const std = fround(normalize?.std[channel] ?? 1);
  const factor = scale?.value ?? 1;
  return Float32Array.from({ length: 256 }, (_, level) => {
    const scaled = fround(scale?.by === "divisor" ? level / factor : level * factor);
    return fround(fround(scaled - mean) / std);
  });
}

/** The middle of a picture; one that is smaller gets a black border. */
function centerCrop(
  image: RgbImage,
  { width, height, rounding }: NonNullable<PreprocessPlan["crop"]>,
): RgbImage {
  const start = rounding === "floor" ? Math.floor : roundHalfEven;
  const left = start((image.width - width) / 2);
  const top = start((image.height - height) / 2);
  return crop(image, { left, top, width, height });
}

/** torchvision's rounding of a margin; of a negative one it takes the part nearer to zero. */
function roundHalfEven(margin: number): number {
  if (margin < 0) return Math.ceil(margin);
  const whole = Math.floor(margin);
  return margin === whole ? whole : whole + (whole % 2);
}
