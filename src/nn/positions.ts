/** Position encodings added to embeddings: learned vectors and the sinusoids of Vaswani et al. 2017, https://arxiv.org/abs/1706.03762 */

import { constant, type Node } from "../graph/node.ts";
import { mul } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { cast } from "../graph/ops/select.ts";
import { slice, unsqueeze } from "../graph/ops/shape.ts";
import type { Dim } from "../tensor/dims.ts";
import type { DType } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Init } from "./module.ts";

/** A trained vector for each of `maxLength` positions. */
export class LearnedPositions {
  readonly weight: Node;

  constructor(init: Init, maxLength: number, width: number) {
    this.weight = init.normal([maxLength, width]);
  }

  /** The vectors of the first `length` positions [T, D]. @throws ShapeError when a numeric length is too long. */
  forward(length: Dim): Node {
    return slice(this.weight, 0, 0, length);
  }

  /** The vectors of given positions: ids [...] int64 → [..., D]. */
  at(positions: Node): Node {
    return gather(this.weight, positions);
  }
}

/** Where sines and cosines stand: in turns (as in the paper), or all sines before all cosines. */
export type SinusoidLayout = "interleaved" | "half-split";

/**
 * Table [maxLength, D] of sin and cos of position / 10000^(2i/D). An odd width has one sine more than cosines.
 */
export function sinusoidTable(
  maxLength: number,
  width: number,
  layout: SinusoidLayout = "interleaved",
  dtype: DType = "float32",
): Tensor {
  const sines = Math.ceil(width / 2);
  const table = Tensor.zeros(dtype, [maxLength, width]);
  for (let position = 0; position < maxLength; position++) {
    for (let column = 0; column < width; column++) {
      const pair = Math.floor(column / 2);
      const angle = position / 10000 ** ((2 * pair) / width);
      const isSine = column % 2 === 0;
      const at = layout === "interleaved" ? column : isSine ? pair : sines + pair;
      table.data[position * width + at] = isSine ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return table;
}

/** The same table as a constant of a graph. */
export const sinusoids = (...args: Parameters<typeof sinusoidTable>): Node =>
  constant(sinusoidTable(...args));

/**
 * position / base^(2i/D) for i < D/2, in float64, so that far positions keep their angle.
 * positions [...] of any dtype, D even → [..., D/2].
 */
export function positionAngles(positions: Node, width: number, base = 10000): Node {
  const frequencies = Array.from({ length: width / 2 }, (_, i) => base ** ((-2 * i) / width));
  const row = constant(Tensor.from("float64", [width / 2], frequencies));
  return mul(unsqueeze(cast(positions, "float64"), -1), row);
}
