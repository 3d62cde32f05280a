/**
 * Windows of Swin: attention inside squares of a map [B, H, W, C], which shift by half a square from layer to layer.
 * Liu et al. 2021, https://arxiv.org/abs/2103.14030. S window size in pixels, N = S² pixels of a window.
 */

import { ShapeError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { reshape, transpose } from "../graph/ops/core.ts";
import { concat, roll, slice } from "../graph/ops/shape.ts";
import { showShape } from "../tensor/dims.ts";
import { Tensor } from "../tensor/tensor.ts";

/** [B, H, W, C] → [B·windows, S, S, C], windows row by row. @throws ShapeError unless S divides numeric sizes. */
export function windowPartition(map: Node, windowSize: number): Node {
  const [, height, width, channels] = map.shape;
  if (!isTiled(height, windowSize) || !isTiled(width, windowSize)) {
    throw new ShapeError(
      `windows of ${windowSize} × ${windowSize} must tile the map, got ${showShape(map.shape)}`,
    );
  }
  const grid = reshape(map, [-1, height / windowSize, windowSize, width / windowSize, windowSize, channels!]);
  return reshape(transpose(grid, [0, 1, 3, 2, 4, 5]), [-1, windowSize, windowSize, channels!]);
}

const isTiled = (size: unknown, windowSize: number): size is number =>
  typeof size === "number" && size % windowSize === 0;

/** The map of H × W pixels that `windowPartition` cut. */
export function windowReverse(windows: Node, [height, width]: readonly [number, number]): Node {
  const [, size, , channels] = windows.shape as readonly number[];
  const grid = reshape(windows, [-1, height / size!, width / size!, size!, size!, channels!]);
  return reshape(transpose(grid, [0, 1, 3, 2, 4, 5]), [-1, height, width, channels!]);
}

/** Moves a map up and to the left by `shift` pixels, around the edges; a negative shift moves it back. */
export const shiftMap = (map: Node, shift: number): Node => roll(roll(map, 1, -shift), 2, -shift);

/** Table [windows, N, N], 0 where two pixels of a shifted window were neighbours before and −100 elsewhere. */
export function shiftMask(
  [height, width]: readonly [number, number],
  windowSize: number,
  shift: number,
): Tensor {
  const regions = windowRegions(height, width, windowSize, shift);
  const pixels = windowSize * windowSize;
  const mask = Tensor.zeros("float32", [regions.length, pixels, pixels]);
  for (const [window, region] of regions.entries()) {
    for (let a = 0; a < pixels; a++) {
      for (let b = 0; b < pixels; b++) {
        if (region[a] !== region[b]) mask.data[(window * pixels + a) * pixels + b] = -100;
      }
    }
  }
  return mask;
}

/** For each window, which of the nine parts of the shifted map its pixels come from. */
function windowRegions(height: number, width: number, windowSize: number, shift: number): number[][] {
  const part = (at: number, size: number): number => (at < size - windowSize ? 0 : at < size - shift ? 1 : 2);
  const regions: number[][] = [];
  for (let top = 0; top < height; top += windowSize) {
    for (let left = 0; left < width; left += windowSize) {
      const pixels = Array.from({ length: windowSize ** 2 }, (_, i) => {
        const row = part(top + Math.floor(i / windowSize), height);
        return row * 3 + part(left + (i % windowSize), width);
      });
      regions.push(pixels);
    }
  }
  return regions;
}

/** Which entry of a table of (2S − 1)² relative positions each pair of pixels of a window has, [N, N] int64. */
export function relativePositionIndex(windowSize: number): Tensor {
  const pixels = windowSize * windowSize;
  const span = 2 * windowSize - 1;
  const values = Array.from({ length: pixels * pixels }, (_, i) => {
    const [a, b] = [Math.floor(i / pixels), i % pixels];
    const rows = Math.floor(a / windowSize) - Math.floor(b / windowSize);
    const columns = (a % windowSize) - (b % windowSize);
    return (rows + windowSize - 1) * span + columns + windowSize - 1;
  });
  return Tensor.from("int64", [pixels, pixels], values);
}

/**
 * Each 2 × 2 pixels as one of four times the channels, [B, H, W, C] → [B, H/2 · W/2, 4C], in the order
 * (0, 0), (1, 0), (0, 1), (1, 1) of (row, column).
 */
export function mergePatches(map: Node): Node {
  const [, height, width, channels] = map.shape as readonly number[];
  const corners = [
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ].map(([row, column]) => slice(slice(map, 1, row!, height!, 2), 2, column!, width!, 2));
  return reshape(concat(corners, -1), [-1, (height! * width!) / 4, 4 * channels!]);
}
