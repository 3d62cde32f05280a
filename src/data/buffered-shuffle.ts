/** A random order in which what is read together stays near, so that only few shards are in memory at a time. */

import type { Random } from "../tensor/random.ts";

/** Items that wait to be drawn from. */
const bufferSize = 8192;

/**
 * The indices 0 … n − 1 of items in parts one after the other, `sizes` of them each: the parts come in random order,
 * and their items go through a buffer out of which one at random is taken at a time. A set that fits into the buffer
 * is shuffled as a whole.
 */
export function bufferedShuffle(sizes: readonly number[], random: Random, size = bufferSize): number[] {
  let total = 0;
  const starts = sizes.map((count) => {
    total += count;
    return total - count;
  });
  const order: number[] = [];
  const buffer: number[] = [];
  const takeOne = (): void => {
    const at = random.integer(buffer.length);
    order.push(buffer[at]!);
    buffer[at] = buffer.at(-1)!;
    buffer.pop();
  };
  for (const part of random.shuffle(sizes.map((_, at) => at))) {
    for (let item = 0; item < sizes[part]!; item++) {
      if (buffer.length === size) takeOne();
      buffer.push(starts[part]! + item);
    }
  }
  while (buffer.length > 0) takeOne();
  return order;
}

/** How many items follow each other with the same part. */
export function runLengths(parts: Iterable<string | undefined>): number[] {
  const lengths: number[] = [];
  let last: { part: string | undefined } | undefined;
  for (const part of parts) {
    if (last?.part === part) lengths[lengths.length - 1]! += 1;
    else lengths.push(1);
    last = { part };
  }
  return lengths;
}
