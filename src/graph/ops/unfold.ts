/**
 * Sliding windows written out (im2col) and added back. Both are gathers and scatters along one axis at a time, so their
 * gradients are each other. x [B, C, ...S]; K elements of a window, P windows.
 */

import { ShapeError } from "../../errors.ts";
import { equalDims, mulDims, productOf, showShape } from "../../tensor/dims.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { constant, type Node } from "../node.ts";
import { reshape, transpose } from "./core.ts";
import { addRows, gather } from "./indexing.ts";
import { padAxis, slice } from "./shape.ts";
import { spatialSizes, type WindowOptions, type Windows, windowCounts, windowsOf } from "./windows.ts";

export interface UnfoldOptions extends WindowOptions {
  /** Value of the padding; default 0. */
  readonly padValue?: number;
}

/** One axis of the problem. */
interface AxisWindows {
  readonly kernel: number;
  readonly count: number;
  readonly stride: number;
  readonly dilation: number;
  readonly size: number;
  readonly padding: readonly [number, number];
}

function axisWindows(
  where: string,
  sizes: readonly number[],
  kernel: readonly number[],
  windows: Windows,
): AxisWindows[] {
  if (kernel.length !== sizes.length) {
    throw new ShapeError(`${where}: a window [${kernel}] does not fit ${sizes.length} spatial axes`);
  }
  const counts = windowCounts(where, sizes, kernel, windows);
  return sizes.map((size, axis) => ({
    kernel: kernel[axis]!,
    count: counts[axis]!,
    stride: windows.strides[axis]!,
    dilation: windows.dilations[axis]!,
    padding: windows.padding[axis]!,
    size,
  }));
}

const paddedSize = ({ size, padding: [before, after] }: AxisWindows): number => before + size + after;

/** Windows that touch and fill the axis: they are a reshape. */
const isTiled = (axis: AxisWindows): boolean =>
  axis.stride === axis.kernel && axis.dilation === 1 && axis.count * axis.kernel === paddedSize(axis);

/** Positions along the padded axis by window and element, [P, K]. */
function positions({ kernel, count, stride, dilation }: AxisWindows): Node {
  const values = Array.from(
    { length: count * kernel },
    (_, at) => Math.floor(at / kernel) * stride + (at % kernel) * dilation,
  );
  return constant(Tensor.from("int64", [count, kernel], values));
}

/** The axis at `at` as two, [P, K]. */
function unfoldAxis(x: Node, at: number, axis: AxisWindows, padValue: number): Node {
  const padded = padAxis(x, at, axis.padding[0], axis.padding[1], padValue);
  return isTiled(axis)
    ? reshape(padded, padded.shape.toSpliced(at, 1, axis.count, axis.kernel))
    : gather(padded, positions(axis), at);
}

/** The reverse: the axes [P, K] at `at` as one, overlaps added. */
function foldAxis(x: Node, at: number, axis: AxisWindows): Node {
  const joined = isTiled(axis)
    ? reshape(x, x.shape.toSpliced(at, 2, paddedSize(axis)))
    : addRows(x, positions(axis), at, paddedSize(axis));
  return slice(joined, at, axis.padding[0], axis.padding[0] + axis.size);
}

const range = (size: number, start: number, step: number): number[] =>
  Array.from({ length: size }, (_, at) => start + at * step);

/**
 * All windows of x: [B, C, ...S] → [B, C, K, P], both K and P row-major. `kernel` is a window's size by axis.
 * @throws ShapeError when spatial sizes are symbolic or no window fits.
 */
export function unfold(x: Node, kernel: readonly number[], options: UnfoldOptions = {}): Node {
  const { padValue = 0, ...rest } = options;
  const sizes = spatialSizes("unfold", x.shape);
  const axes = axisWindows("unfold", sizes, kernel, windowsOf("unfold", sizes.length, rest));
  const apart = axes.reduceRight((node, axis, at) => unfoldAxis(node, at + 2, axis, padValue), x);
  // [B, C, P₁, K₁, P₂, K₂] → [B, C, K₁, K₂, P₁, P₂]
  const order = [0, 1, ...range(axes.length, 3, 2), ...range(axes.length, 2, 2)];
  const elements = productOf(kernel);
  return reshape(transpose(apart, order), [
    ...x.shape.slice(0, 2),
    elements,
    productOf(axes.map((a) => a.count)),
  ]);
}

/**
 * Adds windows back where `unfold` of an x of spatial `sizes` took them: [B, C, K, P] → [B, C, ...sizes].
 * @throws ShapeError when K or P are not those of such an x.
 */
export function fold(
  windows: Node,
  sizes: readonly number[],
  kernel: readonly number[],
  options: WindowOptions = {},
): Node {
  const axes = axisWindows("fold", sizes, kernel, windowsOf("fold", sizes.length, options));
  const counts = axes.map(({ count }) => count);
  const [batch, channels, elements, places] = windows.shape;
  if (
    windows.rank !== 4 ||
    !equalDims(mulDims(elements!, places!), productOf([...kernel, ...counts])) ||
    !equalDims(elements!, productOf(kernel))
  ) {
    throw new ShapeError(
      `fold: expected [batch, channels, ${productOf(kernel)}, ${productOf(counts)}], got ${showShape(windows.shape)}`,
    );
  }
  const grid = reshape(windows, [batch!, channels!, ...kernel, ...counts]);
  // [B, C, K₁, K₂, P₁, P₂] → [B, C, P₁, K₁, P₂, K₂]
  const order = axes.flatMap((_, at) => [2 + axes.length + at, 2 + at]);
  return axes.reduce((node, axis, at) => foldAxis(node, at + 2, axis), transpose(grid, [0, 1, ...order]));
}
