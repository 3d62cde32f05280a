/** The order in which a training run sees its examples. */

import { ConfigError } from "../errors.ts";
import { Random } from "../tensor/random.ts";
import { bufferedShuffle } from "./buffered-shuffle.ts";

export interface SamplerOptions {
  /** Examples of a batch; the last of the longest examples may form a smaller one. */
  batchSize: number;
  seed: number;
  /** Longer examples count as this long: they are truncated. */
  maxLength: number;
  /** Padded lengths are multiples of this, or `maxLength`; default 16, with `targetLengths` 8. */
  multipleOf?: number;
  /** Tokens of each example's second text, by which examples of one length are ordered. */
  targetLengths?: readonly number[] | undefined;
  /** Items of each part (shard) that they are read with, one part after the other; such batches keep near each other. */
  partSizes?: readonly number[] | undefined;
  /** Leave out a last batch that is smaller than the others; default false. */
  fullBatches?: boolean | undefined;
}

export interface Batch {
  indices: number[];
  length: number; // tokens that every example of the batch is padded to
}

/**
 * Batches of examples of similar length, so that little padding is computed and few graph shapes occur. The order
 * depends on (seed, epoch) alone: a resumed run takes `batchesOf(epoch)` and starts in the middle.
 */
export class BatchSampler {
  private readonly paddedLengths: readonly number[];
  private readonly paddedTargets: readonly number[];

  /** @param lengths the number of tokens of each example */
  constructor(
    lengths: readonly number[],
    private readonly options: SamplerOptions,
  ) {
    const { batchSize, maxLength, targetLengths, multipleOf = targetLengths ? 8 : 16 } = options;
    if (lengths.length === 0) throw new ConfigError("sampler: must have at least one example, got none");
    for (const [name, value] of Object.entries({ batchSize, maxLength, multipleOf })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new ConfigError(`sampler: ${name} must be a positive integer, got ${value}`);
      }
    }
    const padded = (length: number): number =>
      Math.min(maxLength, Math.max(1, Math.ceil(length / multipleOf)) * multipleOf);
    this.paddedLengths = lengths.map(padded);
    this.paddedTargets = (targetLengths ?? lengths).map(padded);
  }

  /** Batches of every epoch. */
  get batchCount(): number {
    const { batchSize, fullBatches } = this.options;
    const count = this.paddedLengths.length / batchSize;
    return fullBatches && count >= 1 ? Math.floor(count) : Math.ceil(count);
  }

  /** The batches of an epoch (from 0), every example in exactly one, but for those of a smaller one left out. */
  batchesOf(epoch: number): Batch[] {
    const { batchSize, seed, partSizes } = this.options;
    const random = new Random(seed).fork("batches", epoch);
    const order = partSizes
      ? bufferedShuffle(partSizes, random)
      : random.shuffle(this.paddedLengths.map((_, index) => index));
    // The sort is stable: within a length the order stays random, and what a length leaves over joins the next one.
    order.sort((a, b) => {
      const byLength = this.paddedLengths[a]! - this.paddedLengths[b]!;
      return byLength || this.paddedTargets[a]! - this.paddedTargets[b]!;
    });
    const batches = Array.from({ length: this.batchCount }, (_, i) => {
      const indices = order.slice(i * batchSize, (i + 1) * batchSize);
      return { indices, length: this.paddedLengths[indices.at(-1)!]! };
    });
    return partSizes ? batches : random.shuffle(batches);
  }
}
