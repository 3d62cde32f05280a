/** Pooling over sliding windows. x [B, C, ...S] → [B, C, ...P]; `kernel` is a window's size by spatial axis. */

import { ShapeError } from "../../errors.ts";
import type { Node } from "../node.ts";
import { reshape } from "./core.ts";
import { max, mean } from "./reduce.ts";
import { type UnfoldOptions, unfold } from "./unfold.ts";
import { spatialSizes, type WindowOptions, windowCounts, windowsOf } from "./windows.ts";

export interface PoolOptions extends Omit<WindowOptions, "strides"> {
  /** Elements from one window to the next; default the kernel, so that windows touch. */
  readonly strides?: WindowOptions["strides"];
}

/** Reduces the windows [B, C, K, P] to [B, C, ...P]. */
function pool(
  where: string,
  x: Node,
  kernel: readonly number[],
  options: UnfoldOptions,
  reduce: (windows: Node) => Node,
): Node {
  const { padValue = 0, ...given } = options;
  const sizes = spatialSizes(where, x.shape);
  const windows = windowsOf(where, sizes.length, { strides: kernel, ...given });
  const counts = windowCounts(where, sizes, kernel, windows);
  const pooled = reduce(unfold(x, kernel, { ...windows, padValue }));
  return reshape(pooled, [...x.shape.slice(0, 2), ...counts]);
}

/**
 * The largest element of each window; padding never wins. Equal elements share the gradient.
 * @throws ShapeError when the padding is more than half a window, which could leave a window without elements.
 */
export function maxPool(x: Node, kernel: readonly number[], options: PoolOptions = {}): Node {
  const { padding } = windowsOf("maxPool", x.rank - 2, options);
  if (padding.flat().some((size, at) => 2 * size > kernel[Math.floor(at / 2)]!)) {
    throw new ShapeError(
      `maxPool: padding [${padding.join("; ")}] is more than half of a window [${kernel}]`,
    );
  }
  const padValue = Number.NEGATIVE_INFINITY;
  return pool("maxPool", x, kernel, { ...options, padValue }, (windows) => max(windows, 2));
}

/** The mean of each window, padding counted as zeros (PyTorch's `count_include_pad`). */
export const averagePool = (x: Node, kernel: readonly number[], options: PoolOptions = {}): Node =>
  pool("averagePool", x, kernel, options, (windows) => mean(windows, 2));
