/** Windows that slide over the spatial axes of x [B, C, ...S]: convolution, pooling and unfolding share them. */

import { ConfigError, ShapeError } from "../../errors.ts";
import { type Shape, showShape } from "../../tensor/dims.ts";

/** A number for every spatial axis, or one for all of them. */
export type PerAxis = number | readonly number[];

export interface WindowOptions {
  /** Elements from one window to the next, at least 1; default 1. */
  readonly strides?: PerAxis;
  /** Elements from one element of a window to the next, at least 1; default 1. */
  readonly dilations?: PerAxis;
  /** Elements put around each axis: one number for all sides, or [before, after] by axis; default 0. */
  readonly padding?: number | readonly (readonly [number, number])[];
}

/** Window options in full, one entry by spatial axis. */
export interface Windows {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
}

const perAxis = (value: PerAxis, rank: number): readonly number[] =>
  typeof value === "number" ? Array.from({ length: rank }, () => value) : value;

/** @throws ConfigError when an option has another number of axes than `rank`, or a value out of range. */
export function windowsOf(where: string, rank: number, options: WindowOptions): Windows {
  const { strides = 1, dilations = 1, padding = 0 } = options;
  const windows: Windows = {
    strides: perAxis(strides, rank),
    dilations: perAxis(dilations, rank),
    padding: typeof padding === "number" ? perAxis(padding, rank).map((size) => [size, size]) : padding,
  };
  for (const [name, values, least] of [
    ["strides", windows.strides, 1],
    ["dilations", windows.dilations, 1],
    ["padding", windows.padding, 0],
  ] as const) {
    const isValid = values.flat().every((value) => Number.isInteger(value) && value >= least);
    if (values.length !== rank || !isValid) {
      throw new ConfigError(
        `${where}: ${name} must be ${rank} integers of at least ${least}, got [${values.join("; ")}]`,
      );
    }
  }
  return windows;
}

/** The spatial sizes of x [B, C, ...S]. @throws ShapeError unless they are numbers. */
export function spatialSizes(where: string, shape: Shape): readonly number[] {
  const sizes = shape.slice(2);
  if (sizes.length === 0 || !sizes.every((size) => typeof size === "number")) {
    throw new ShapeError(`${where}: expected [batch, channels, numeric sizes …], got ${showShape(shape)}`);
  }
  return sizes;
}

/** How many windows fit along each axis. @throws ShapeError where none does. */
export function windowCounts(
  where: string,
  sizes: readonly number[],
  kernel: readonly number[],
  { strides, dilations, padding }: Windows,
): number[] {
  return sizes.map((size, axis) => {
    const [before, after] = padding[axis]!;
    const reach = dilations[axis]! * (kernel[axis]! - 1) + 1;
    const room = before + size + after - reach;
    if (room < 0) {
      throw new ShapeError(`${where}: a window of ${reach} does not fit ${before + size + after} elements`);
    }
    return Math.floor(room / strides[axis]!) + 1;
  });
}
