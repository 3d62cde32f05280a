/**
 * Images as sequences of patches. x [B, C, H, W], patches of P × P pixels, N = H/P · W/P patches row by row.
 */

import { ShapeError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add, div, mul, reshape, sub, transpose } from "../graph/ops/core.ts";
import { sqrt } from "../graph/ops/math.ts";
import { mean, variance } from "../graph/ops/reduce.ts";
import { unfold } from "../graph/ops/unfold.ts";
import { spatialSizes, type WindowOptions } from "../graph/ops/windows.ts";

/** What a patch's values are ordered by: channel, row, column (as a kernel of ViT), or row, column, channel (MAE). */
export type PatchLayout = "channels-first" | "channels-last";

/** Axes of [B, C, h, P, w, P] in the order of the patches' values. */
const axisOrders = { "channels-first": [0, 2, 4, 1, 3, 5], "channels-last": [0, 2, 4, 3, 5, 1] } as const;

/** [B, C, H, W] → [B, N, C·P²]. @throws ShapeError unless P divides numeric sizes. */
export function patchify(x: Node, patchSize: number, layout: PatchLayout): Node {
  const [height, width] = gridOf("patchify", spatialSizes("patchify", x.shape), patchSize);
  const [batch, channels] = x.shape;
  const grid = reshape(x, [batch!, channels!, height, patchSize, width, patchSize]);
  return reshape(transpose(grid, axisOrders[layout]), [batch!, height * width, -1]);
}

/** The image of H × W pixels that `patchify` made patches [B, N, C·P²] of. */
export function unpatchify(
  patches: Node,
  [height, width]: readonly [number, number],
  patchSize: number,
  layout: PatchLayout,
): Node {
  const [rows, columns] = gridOf("unpatchify", [height, width], patchSize);
  const [batch] = patches.shape;
  const values = layout === "channels-first" ? [-1, patchSize, patchSize] : [patchSize, patchSize, -1];
  const grid = reshape(patches, [batch!, rows, columns, ...values]);
  const back = axisOrders[layout].map((_, axis) => axisOrders[layout].indexOf(axis as 0));
  return reshape(transpose(grid, back), [batch!, -1, height, width]);
}

function gridOf(where: string, [height, width]: readonly number[], patchSize: number): [number, number] {
  if (height! % patchSize === 0 && width! % patchSize === 0) return [height! / patchSize, width! / patchSize];
  throw new ShapeError(
    `${where}: patches of ${patchSize} pixels must tile the image, got ${width} × ${height}`,
  );
}

/** Every patch with mean 0 and variance 1 (of n − 1 values), the targets of MAE. He et al. 2021, arXiv 2111.06377 */
export function normalizePatches(patches: Node, epsilon = 1e-6): Node {
  const size = patches.shape.at(-1) as number;
  const spread = mul(variance(patches, -1, true), size / (size - 1));
  return div(sub(patches, mean(patches, -1, true)), sqrt(add(spread, epsilon)));
}

/** Overlapping patches of T2T-ViT: all windows [B, C, H, W] → [B, windows, C·K²], channel slowest. Yuan et al. 2021 */
export function softSplit(x: Node, kernelSize: number, options: WindowOptions): Node {
  const windows = unfold(x, [kernelSize, kernelSize], options);
  const [batch, channels, elements, places] = windows.shape;
  const rows = reshape(windows, [batch!, (channels as number) * (elements as number), places!]);
  return transpose(rows, [0, 2, 1]);
}

/**
 * MobileViT's sequences: pixels at the same place of their patches, [B, C, H, W] → [B·P², N, C].
 * Mehta & Rastegari 2021, https://arxiv.org/abs/2110.02178
 */
export function unfoldPixels(x: Node, patchSize: number): Node {
  const [rows, columns] = gridOf("unfoldPixels", spatialSizes("unfoldPixels", x.shape), patchSize);
  const [batch, channels] = x.shape;
  // In two steps, each of which moves whole rows of channels or one axis, as transposing kernels are fast at.
  const last = transpose(x, [0, 2, 3, 1]);
  const grid = reshape(last, [batch!, rows, patchSize, columns, patchSize, channels!]);
  return reshape(transpose(grid, [0, 2, 4, 1, 3, 5]), [-1, rows * columns, channels!]);
}

/** The map of H × W pixels that `unfoldPixels` made sequences [B·P², N, C] of. */
export function foldPixels(
  sequences: Node,
  [height, width]: readonly [number, number],
  patchSize: number,
): Node {
  const [rows, columns] = gridOf("foldPixels", [height, width], patchSize);
  const channels = sequences.shape[2]!;
  const grid = reshape(sequences, [-1, patchSize, patchSize, rows, columns, channels]);
  const last = reshape(transpose(grid, [0, 3, 1, 4, 2, 5]), [-1, height, width, channels]);
  return transpose(last, [0, 3, 1, 2]);
}
