/** Features of several texts in one tensor, as transformers.js returns them. B texts, T tokens, D hidden size. */

import type { Features } from "./feature-extraction.ts";

type Nested = number | Nested[];

export class FeatureTensor {
  readonly type = "float32";

  constructor(
    readonly dims: readonly number[],
    readonly data: Float32Array,
  ) {}

  /** [B, T, D] with zeros behind shorter texts, or [B, D]. */
  static stack(features: readonly Features[]): FeatureTensor {
    const shapes = features.map(({ dims }) => dims);
    const inner = (shapes[0] ?? []).map((_, axis) => Math.max(...shapes.map((dims) => dims[axis]!)));
    const size = inner.reduce((product, dim) => product * dim, 1);
    const data = new Float32Array(features.length * size);
    for (const [at, feature] of features.entries()) data.set(feature.data, at * size);
    return new FeatureTensor([features.length, ...inner], data);
  }

  /** Nested arrays of plain numbers. */
  tolist(): Nested[] {
    return nest(this.dims, Array.from(this.data)) as Nested[];
  }
}

function nest([first, ...rest]: readonly number[], values: readonly number[]): Nested {
  if (first === undefined) return values[0]!;
  const size = first === 0 ? 0 : values.length / first;
  return Array.from({ length: first }, (_, at) => nest(rest, values.slice(at * size, (at + 1) * size)));
}
