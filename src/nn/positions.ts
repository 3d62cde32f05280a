/** Position encodings: learned vectors and the sinusoids of Vaswani et al. 2017, https://arxiv.org/abs/1706.03762 */

import { ConfigError } from "../errors.ts";
import { constant, type Node } from "../graph/node.ts";
import { gather } from "../graph/ops/indexing.ts";
import { slice } from "../graph/ops/shape.ts";
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
 * Table [maxLength, D] of sin and cos of position / 10000^(2i/D).
 * @throws ConfigError when D is odd.
 */
export function sinusoids(
  maxLength: number,
  width: number,
  layout: SinusoidLayout = "interleaved",
  dtype: DType = "float32",
): Node {
  if (width % 2 !== 0) throw new ConfigError(`sinusoidal positions: the width must be even, got ${width}`);
  const table = Tensor.zeros(dtype, [maxLength, width]);
  for (let position = 0; position < maxLength; position++) {
    for (let i = 0; i < width / 2; i++) {
      const angle = position / 10000 ** ((2 * i) / width);
      const [sineAt, cosineAt] = layout === "interleaved" ? [2 * i, 2 * i + 1] : [i, width / 2 + i];
      table.data[position * width + sineAt] = Math.sin(angle);
      table.data[position * width + cosineAt] = Math.cos(angle);
    }
  }
  return constant(table);
}
