/** Explanations as JSON documents. */

import type { Tensor } from "../tensor/tensor.ts";
import type { Explanation } from "./explain.ts";
import type { PairExplanation } from "./pair-explain.ts";

type Nested = number | readonly Nested[];

/** Plain lists instead of tensors; numbers have 6 digits. */
export function documentOf({ attention, rollout, attribution, ...others }: Explanation): object {
  return {
    ...others,
    ...(attribution && { attribution: rounded(attribution) }),
    rollout: nested(rollout),
    attention: attention.map(({ stack, layer, probabilities }) => ({
      stack,
      layer,
      probabilities: nested(probabilities),
    })),
  };
}

/** Of a picture, its size; numbers have 6 digits. */
export const pairDocument = ({ picture, ...others }: PairExplanation): object =>
  rounded({ ...others, width: picture.width, height: picture.height });

const round = (value: number): number => Number(value.toPrecision(6));

const rounded = (value: object): object =>
  JSON.parse(
    JSON.stringify(value, (_, part: unknown) => (typeof part === "number" ? round(part) : part)),
  ) as object;

/** Lists of lists, one level for each axis. */
function nested({ shape, data }: Tensor): Nested {
  const cut = (axis: number, start: number, size: number): Nested => {
    const inner = size / shape[axis]!;
    return Array.from({ length: shape[axis]! }, (_, at) =>
      axis === shape.length - 1 ? round(Number(data[start + at])) : cut(axis + 1, start + at * inner, inner),
    );
  };
  return cut(0, 0, data.length);
}
