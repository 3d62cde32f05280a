/**
 * Interpolation of images and position tables, pixel centres aligned at ½ (PyTorch's `align_corners=False`).
 * Each axis is a product with a constant matrix, so the gradient is exact.
 */

import { ConfigError } from "../../errors.ts";
import { normaliseAxis } from "../../tensor/dims.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { constant, type Node, requireFloat } from "../node.ts";
import { matmul } from "./matmul.ts";
import { swapAxes } from "./shape.ts";
import { spatialSizes } from "./windows.ts";

/** Weights of the samples around a position: sample `offset` from its left neighbour, for a fraction past that. */
interface Kernel {
  readonly offsets: readonly number[];
  weight(distance: number): number;
  /** Whether positions before the first sample are moved onto it. */
  readonly isClamped: boolean;
}

const CUBIC = -0.75; // Keys' parameter as PyTorch and OpenCV choose it

const kernels = {
  nearest: { offsets: [0], weight: () => 1, isClamped: true },
  bilinear: { offsets: [0, 1], weight: (distance) => 1 - distance, isClamped: true },
  bicubic: { offsets: [-1, 0, 1, 2], weight: cubicWeight, isClamped: false },
} as const satisfies Record<string, Kernel>;

export type ResizeMode = keyof typeof kernels;

/** Cubic convolution. Keys 1981, https://doi.org/10.1109/TASSP.1981.1163711 */
function cubicWeight(distance: number): number {
  const t = distance;
  if (t <= 1) return ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1;
  return ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC;
}

/** The matrix [to, from] that resamples `from` values at `to` places, to / from places to a value unless a scale is given. */
function resampling(from: number, to: number, mode: ResizeMode, scale?: number): number[] {
  const { offsets, weight, isClamped }: Kernel = kernels[mode];
  const matrix = Array.from({ length: to * from }, () => 0);
  const source = (place: number): number => (scale === undefined ? (place * from) / to : place / scale);
  for (let row = 0; row < to; row++) {
    // "nearest" takes the sample whose cell holds the left edge of the place, as PyTorch does.
    const centre = mode === "nearest" ? source(row) : source(row + 0.5) - 0.5;
    const position = isClamped ? Math.max(centre, 0) : centre;
    const left = Math.floor(position);
    for (const offset of offsets) {
      const sample = Math.min(Math.max(left + offset, 0), from - 1);
      matrix[row * from + sample]! += weight(Math.abs(position - left - offset));
    }
  }
  return matrix;
}

/** Resamples one axis of known size to `size` places, `scale` of them to a value (default: size / old size). */
export function resizeAxis(
  x: Node,
  axis: number,
  size: number,
  mode: ResizeMode = "bilinear",
  scale?: number,
): Node {
  const at = normaliseAxis(axis, x.rank, "resize");
  const from = x.shape[at]!;
  if (typeof from !== "number" || !Number.isInteger(size) || size < 1) {
    throw new ConfigError(`resize: sizes must be positive integers, got ${from} → ${size} on axis ${axis}`);
  }
  if (from === size && scale === undefined) return x;
  const dtype = requireFloat("resize", x);
  const matrix = constant(Tensor.from(dtype, [size, from], resampling(from, size, mode, scale)));
  if (at === x.rank - 2) return matmul(matrix, x);
  return swapAxes(matmul(swapAxes(x, at, -1), matrix, { transB: true }), at, -1);
}

/**
 * x [B, C, ...S] resampled to [B, C, ...sizes]. Shrinking does not blur first (no antialiasing), as in PyTorch.
 * `scales`: places to a value by axis, where they are not new size / old size (PyTorch's `scale_factor`).
 * @throws ShapeError when spatial sizes are symbolic; ConfigError when `sizes` are not positive integers.
 */
export function resize(
  x: Node,
  sizes: readonly number[],
  mode: ResizeMode = "bilinear",
  { scales = [] }: { readonly scales?: readonly number[] } = {},
): Node {
  const from = spatialSizes("resize", x.shape);
  if (from.length !== sizes.length) {
    throw new ConfigError(`resize: expected ${from.length} sizes, got [${sizes}]`);
  }
  return sizes.reduce((node, size, axis) => resizeAxis(node, axis + 2, size, mode, scales[axis]), x);
}
