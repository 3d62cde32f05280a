/**
 * Relative positions of XLNet and Transformer-XL: sinusoids of the distance, projected by every layer.
 * Dai et al. 2019, https://arxiv.org/abs/1901.02860
 */

import type { Node } from "../graph/node.ts";
import { add, dimValue, neg } from "../graph/ops/core.ts";
import { clip, cos, sin } from "../graph/ops/math.ts";
import { cast } from "../graph/ops/select.ts";
import { concat, iota } from "../graph/ops/shape.ts";
import { type Dim, subDims } from "../tensor/dims.ts";
import type { DType } from "../tensor/dtype.ts";
import { positionAngles } from "./positions.ts";

export interface DistanceSinusoidOptions {
  /** Farther distances count as this; −1: no limit. Default −1. */
  readonly clampLength?: number | undefined;
  /** Whether the sign of the distances is turned, as for data that is read backwards. Default false. */
  readonly isReversed?: boolean | undefined;
  readonly dtype?: DType | undefined;
}

/**
 * Rows for the distances (query minus key) from `first` down to `last` + 1, columns all sines, then all cosines:
 * [first − last, D].
 */
export function distanceSinusoids(
  first: Dim,
  last: Dim,
  width: number,
  { clampLength = -1, isReversed = false, dtype = "float32" }: DistanceSinusoidOptions = {},
): Node {
  const falling = add(neg(iota(subDims(first, last))), dimValue("int64", first));
  const signed = isReversed ? neg(falling) : falling;
  const distance = clampLength > 0 ? clip(signed, -clampLength, clampLength) : signed;
  const angles = positionAngles(distance, width);
  return cast(concat([sin(angles), cos(angles)], -1), dtype);
}
