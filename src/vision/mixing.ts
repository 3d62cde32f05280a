/**
 * Mixing the pictures of a batch and their labels: Mixup (Zhang et al. 2017, https://arxiv.org/abs/1710.09412) and
 * CutMix (Yun et al. 2019, https://arxiv.org/abs/1905.04899). As in timm, the partner of picture i is B − 1 − i.
 */

import { ConfigError, ShapeError } from "../errors.ts";
import type { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Region, Size } from "./image.ts";

export interface MixingOptions {
  /** Mixup's λ comes from Beta(α, α); 0 turns it off; default 0.8. */
  readonly mixupAlpha?: number;
  /** CutMix's; default 1. With both, each batch has one of them, drawn evenly. */
  readonly cutmixAlpha?: number;
  /** Probability that a batch is mixed at all; default 1. */
  readonly probability?: number;
  /** Probability shared by all classes; default 0.1. */
  readonly labelSmoothing?: number;
}

export interface MixedBatch {
  readonly pixels: Tensor; // [B, C, H, W]
  readonly targets: Tensor; // [B, numClasses], each row sums to 1
}

/** pixels [B, C, H, W] float32 and a class for each. @throws ShapeError or ConfigError when they do not fit. */
export function mixBatch(
  pixels: Tensor,
  labels: readonly number[],
  numClasses: number,
  options: MixingOptions,
  random: Random,
): MixedBatch {
  const { mixupAlpha = 0.8, cutmixAlpha = 1, probability = 1, labelSmoothing = 0.1 } = options;
  checkBatch(pixels, labels, numClasses);
  const smooth = { numClasses, labelSmoothing };
  const alphas = [mixupAlpha, cutmixAlpha].filter((alpha) => alpha > 0);
  if (alphas.length === 0 || random.uniform() >= probability) {
    return { pixels, targets: softTargets(labels, 1, smooth) };
  }
  const isCutmix = mixupAlpha <= 0 || (cutmixAlpha > 0 && random.uniform() < 0.5);
  const share = drawBeta(isCutmix ? cutmixAlpha : mixupAlpha, random);
  const [height, width] = pixels.shape.slice(2) as [number, number];
  const region = isCutmix ? cutRegion({ height, width }, share, random) : undefined;
  const kept = region ? 1 - (region.width * region.height) / (width * height) : share;
  return {
    pixels: region ? cutIn(pixels, region) : blendIn(pixels, share),
    targets: softTargets(labels, kept, smooth),
  };
}

function checkBatch(pixels: Tensor, labels: readonly number[], numClasses: number): void {
  if (pixels.dtype !== "float32" || pixels.shape.length !== 4 || pixels.shape[0] !== labels.length) {
    throw new ShapeError(
      `mixBatch: expected float32 [${labels.length}, C, H, W], got ${pixels.dtype} [${pixels.shape.join(", ")}]`,
    );
  }
  const wrong = labels.find((label) => !(Number.isInteger(label) && label >= 0 && label < numClasses));
  if (wrong !== undefined) {
    throw new ConfigError(`mixBatch: labels must be classes from 0 to ${numClasses - 1}, got ${wrong}`);
  }
}

/** Rows with `kept` on the own class and the rest on the partner's, smoothed. */
function softTargets(
  labels: readonly number[],
  kept: number,
  { numClasses, labelSmoothing }: { numClasses: number; labelSmoothing: number },
): Tensor {
  const targets = new Float32Array(labels.length * numClasses).fill(labelSmoothing / numClasses);
  for (const [row, label] of labels.entries()) {
    const partner = labels.at(-1 - row)!;
    targets[row * numClasses + label]! += kept * (1 - labelSmoothing);
    targets[row * numClasses + partner]! += (1 - kept) * (1 - labelSmoothing);
  }
  return new Tensor("float32", [labels.length, numClasses], targets);
}

/** share · x + (1 − share) · partner. */
function blendIn({ shape, data }: Tensor, share: number): Tensor {
  const source = data as Float32Array;
  const mixed = new Float32Array(source.length);
  const size = source.length / shape[0]!;
  for (let row = 0; row < shape[0]!; row++) {
    const own = row * size;
    const partner = (shape[0]! - 1 - row) * size;
    for (let i = 0; i < size; i++)
      mixed[own + i] = share * source[own + i]! + (1 - share) * source[partner + i]!;
  }
  return new Tensor("float32", shape, mixed);
}

/** x with a region of the partner. */
function cutIn({ shape, data }: Tensor, region: Region): Tensor {
  const source = data as Float32Array;
  const mixed = source.slice();
  const [batch, channels, height, width] = shape as [number, number, number, number];
  for (let plane = 0; plane < batch * channels; plane++) {
    const row = Math.floor(plane / channels);
    const partner = (batch - 1 - row) * channels + (plane % channels);
    for (let y = region.top; y < region.top + region.height; y++) {
      const from = (partner * height + y) * width + region.left;
      mixed.set(source.subarray(from, from + region.width), (plane * height + y) * width + region.left);
    }
  }
  return new Tensor("float32", shape, mixed);
}

/** A region of area 1 − share around a random centre, cut at the edges. */
function cutRegion({ width, height }: Size, share: number, random: Random): Region {
  const side = Math.sqrt(1 - share);
  const [top, bottom] = spanAround(random.integer(height), Math.trunc(height * side), height);
  const [left, right] = spanAround(random.integer(width), Math.trunc(width * side), width);
  return { left, top, width: right - left, height: bottom - top };
}

function spanAround(center: number, length: number, size: number): [number, number] {
  const half = Math.floor(length / 2);
  return [Math.max(0, center - half), Math.min(size, center + half)];
}

/** Beta(α, α) as X / (X + Y) of two gammas. */
function drawBeta(alpha: number, random: Random): number {
  const [x, y] = [drawGamma(alpha, random), drawGamma(alpha, random)];
  return x + y > 0 ? x / (x + y) : Math.round(random.uniform()); // a tiny α leaves only the ends
}

/** Gamma(α, 1). Marsaglia & Tsang 2000, "A simple method for generating gamma variables". */
function drawGamma(alpha: number, random: Random): number {
  if (alpha < 1) return drawGamma(alpha + 1, random) * random.uniform() ** (1 / alpha);
  const d = alpha - 1 / 3;
  for (;;) {
    const x = random.normal();
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < x * x * 0.5 + d - d * v + d * Math.log(v)) return d * v;
  }
}
