/** A binary heap of pairs of symbols: the most frequent first, equal ones by their symbols. */

import { grown, type PairTable } from "./pair-table.ts";

/**
 * Counts that fall after a pair was pushed are found out when it is popped; after one rises, push it again. So every
 * pair has an entry of at least its count.
 */
export class MergeQueue {
  private size = 0;
  private pairs = new Int32Array(1 << 15);
  private counts = new Float64Array(1 << 15);

  constructor(private readonly table: PairTable) {}

  push(pair: number, count: number): void {
    if (this.size === this.pairs.length) {
      this.pairs = grown(this.pairs);
      this.counts = grown(this.counts);
    }
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.isBefore(pair, count, parent)) break;
      this.move(parent, at);
      at = parent;
    }
    this.put(at, pair, count);
  }

  /** Takes out the pair with the largest present count; `undefined` where none has any. */
  pop(presentCount: (pair: number) => number): number | undefined {
    while (this.size > 0) {
      const pair = this.pairs[0]!;
      const pushedCount = this.counts[0]!;
      const count = presentCount(pair);
      this.removeFirst();
      if (count === pushedCount && count > 0) return pair;
      if (count > 0 && count < pushedCount) this.push(pair, count);
    }
    return undefined;
  }

  private removeFirst(): void {
    const last = --this.size;
    const pair = this.pairs[last]!;
    const count = this.counts[last]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && this.isBefore(this.pairs[child + 1]!, this.counts[child + 1]!, child)) child++;
      if (this.isBefore(pair, count, child)) break;
      this.move(child, at);
      at = child;
    }
    this.put(at, pair, count);
  }

  private isBefore(pair: number, count: number, other: number): boolean {
    if (count !== this.counts[other]) return count > this.counts[other]!;
    const otherPair = this.pairs[other]!;
    const left = this.table.left(pair) - this.table.left(otherPair);
    return left !== 0 ? left < 0 : this.table.right(pair) < this.table.right(otherPair);
  }

  private move(from: number, to: number): void {
    this.put(to, this.pairs[from]!, this.counts[from]!);
  }

  private put(at: number, pair: number, count: number): void {
    this.pairs[at] = pair;
    this.counts[at] = count;
  }
}
