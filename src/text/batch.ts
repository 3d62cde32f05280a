/** Encodings to tensors, and grouping by length so that little padding is computed. B batch, T tokens. */

import { ConfigError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";

export interface PadOptions {
  padId: number;
  /** T is the longest encoding rounded up to a multiple of this; default 1. */
  multipleOf?: number;
  /** T itself; default: as long as needed. */
  length?: number;
  /** Where the padding stands; default right. */
  side?: "left" | "right";
}

/** Model inputs, each int64 [B, T]; `attention_mask` is 1 at tokens and 0 at padding. */
export interface PaddedBatch {
  input_ids: Tensor;
  attention_mask: Tensor;
  token_type_ids: Tensor;
}

/** Pads encodings to one length. @throws ConfigError when one is longer than `length`. */
export function padBatch(
  encodings: readonly { ids: readonly number[]; typeIds: readonly number[] }[],
  options: PadOptions,
): PaddedBatch {
  const longest = encodings.reduce((most, { ids }) => Math.max(most, ids.length), 0);
  const length = options.length ?? roundUp(longest, options.multipleOf ?? 1);
  if (longest > length) {
    throw new ConfigError(
      `padBatch: encodings must have at most ${length} tokens, got ${longest}; truncate them`,
    );
  }
  const shape = [encodings.length, length];
  const inputIds = new BigInt64Array(encodings.length * length).fill(BigInt(options.padId));
  const attentionMask = new BigInt64Array(encodings.length * length);
  const typeIds = new BigInt64Array(encodings.length * length);
  for (const [row, encoding] of encodings.entries()) {
    const start = row * length + (options.side === "left" ? length - encoding.ids.length : 0);
    for (let i = 0; i < encoding.ids.length; i++) {
      inputIds[start + i] = BigInt(encoding.ids[i]!);
      attentionMask[start + i] = 1n;
      typeIds[start + i] = BigInt(encoding.typeIds[i]!);
    }
  }
  return {
    input_ids: new Tensor("int64", shape, inputIds),
    attention_mask: new Tensor("int64", shape, attentionMask),
    token_type_ids: new Tensor("int64", shape, typeIds),
  };
}

/** The smallest multiple of `multipleOf` that is at least `length`. */
export const roundUp = (length: number, multipleOf: number): number =>
  Math.ceil(length / multipleOf) * multipleOf;

export interface BucketOptions {
  /** Most items of a group; default: no limit. */
  batchSize?: number;
  /** Most tokens of a padded group (items × longest); a single longer item still is a group; default: no limit. */
  maxBatchTokens?: number;
  /** Lengths are counted as padded to a multiple of this; default 1. */
  multipleOf?: number;
}

/** Groups of indices into `items`, from the shortest items to the longest. Every index is in exactly one group. */
export function bucketByLength<T>(
  items: readonly T[],
  lengthOf: (item: T) => number,
  options: BucketOptions,
): number[][] {
  const {
    batchSize = Number.POSITIVE_INFINITY,
    maxBatchTokens = Number.POSITIVE_INFINITY,
    multipleOf = 1,
  } = options;
  const lengths = items.map((item) => roundUp(lengthOf(item), multipleOf));
  const order = items.map((_, index) => index).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const groups: number[][] = [];
  for (const index of order) {
    const group = groups.at(-1);
    const fits = group && group.length < batchSize && (group.length + 1) * lengths[index]! <= maxBatchTokens;
    if (fits) group.push(index);
    else groups.push([index]);
  }
  return groups;
}
