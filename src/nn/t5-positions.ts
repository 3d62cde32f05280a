/**
 * T5's distances in buckets: near ones each their own, far ones together in ranges that grow like a logarithm.
 * Raffel et al. 2020, https://arxiv.org/abs/1910.10683
 */

import { ConfigError } from "../errors.ts";
import { constant, type Node } from "../graph/node.ts";
import { add, mul, neg } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { clip } from "../graph/ops/math.ts";
import { cast, greater, where } from "../graph/ops/select.ts";
import { Tensor } from "../tensor/tensor.ts";

export interface BucketOptions {
  /** Whether keys ahead of the query have buckets of their own: true in encoders, false in decoders. */
  readonly bidirectional: boolean;
  /** Default 32. */
  readonly numBuckets?: number | undefined;
  /** Distances from here on share the last bucket. Default 128. */
  readonly maxDistance?: number | undefined;
}

/**
 * Bucket of each distance (key position minus query position), int64 of the same shape.
 * @throws ConfigError when `maxDistance` lies among the distances that have buckets of their own.
 */
export function relativeBuckets(
  distance: Node,
  { bidirectional, numBuckets = 32, maxDistance = 128 }: BucketOptions,
): Node {
  const oneSide = bidirectional ? Math.floor(numBuckets / 2) : numBuckets;
  if (oneSide < 2 || maxDistance <= Math.floor(oneSide / 2)) {
    throw new ConfigError(
      `T5 positions: ${numBuckets} buckets with a largest distance of ${maxDistance} do not fit; ` +
        "there must be 2 buckets or more on a side, and the distance must exceed half of a side's buckets",
    );
  }
  const table = constant(Tensor.from("int64", [maxDistance + 1], bucketsOf(oneSide, maxDistance)));
  const behind = (length: Node): Node => gather(table, clip(length, 0, maxDistance));
  if (!bidirectional) return behind(neg(distance));
  const isAhead = greater(distance, 0);
  const length = where(isAhead, distance, neg(distance));
  return add(behind(length), mul(cast(isAhead, "int64"), oneSide));
}

/** Buckets of the distances 0 … maxDistance. The logarithm is rounded to float32 as in the reference. */
function bucketsOf(numBuckets: number, maxDistance: number): number[] {
  const exact = Math.floor(numBuckets / 2);
  const range = Math.log(maxDistance / exact);
  return Array.from({ length: maxDistance + 1 }, (_, distance) => {
    if (distance < exact) return distance;
    const log = Math.fround(Math.log(Math.fround(distance / exact)));
    const share = Math.fround(Math.fround(log / Math.fround(range)) * (numBuckets - exact));
    return Math.min(exact + Math.trunc(share), numBuckets - 1);
  });
}
