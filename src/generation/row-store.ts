/**
 * Keys and values of all rows, each tensor [R, H, C, K] in memory of its own that the session reads where it lies.
 * R rows with room, H heads, C slots of a row, K size of a head.
 */

import type { ValueInfo } from "../runtime/session.ts";
import { Tensor } from "../tensor/tensor.ts";

/** One tensor of the store. */
interface Part {
  readonly name: string;
  readonly heads: number;
  readonly size: number;
  data: Float32Array;
}

export class RowStore {
  /** C. */
  slots = 0;
  private rows = 0;
  private readonly parts: readonly Part[];

  /** `inputs`: those of the session that are kept here. C grows in steps of `chunk`. */
  constructor(
    inputs: readonly ValueInfo[],
    private readonly chunk: number,
  ) {
    this.parts = inputs.map(({ name, shape }) => ({
      name,
      heads: shape[1] as number,
      size: shape[3] as number,
      data: new Float32Array(0),
    }));
  }

  /** Memory of one slot of one row. */
  get slotBytes(): number {
    return this.parts.reduce((sum, { heads, size }) => sum + 4 * heads * size, 0);
  }

  /** Makes room for this many rows of this many slots; what is there stays. Returns whether the memory is another. */
  reserve(rows: number, slots: number): boolean {
    const roundedSlots = slots <= this.slots ? this.slots : Math.ceil(slots / this.chunk) * this.chunk;
    if (rows <= this.rows && roundedSlots === this.slots) return false;
    const newRows = Math.max(rows, this.rows);
    for (const part of this.parts) part.data = this.grown(part, newRows, roundedSlots);
    this.rows = newRows;
    this.slots = roundedSlots;
    return true;
  }

  private grown({ heads, size, data }: Part, rows: number, slots: number): Float32Array {
    const grown = new Float32Array(rows * heads * slots * size);
    const [from, to] = [this.slots * size, slots * size];
    for (let at = 0; at < this.rows * heads; at++) {
      grown.set(data.subarray(at * from, (at + 1) * from), at * to);
    }
    return grown;
  }

  /** Frees the memory. */
  clear(): void {
    for (const part of this.parts) part.data = new Float32Array(0);
    this.rows = 0;
    this.slots = 0;
  }

  /** The rows from `first` up to `end` by input name, without a copy. */
  tensors(first: number, end: number): Record<string, Tensor> {
    return this.mapParts(({ heads, size, data }) => {
      const rowSize = heads * this.slots * size;
      const view = data.subarray(first * rowSize, end * rowSize);
      return new Tensor("float32", [end - first, heads, this.slots, size], view);
    });
  }

  /** Rows of slots that hold nothing by input name. */
  empty(rows: number, slots: number): Record<string, Tensor> {
    return this.mapParts(({ heads, size }) => Tensor.zeros("float32", [rows, heads, slots, size]));
  }

  private mapParts(make: (part: Part) => Tensor): Record<string, Tensor> {
    return Object.fromEntries(this.parts.map((part) => [part.name, make(part)]));
  }

  /** Writes the first `count` tokens of row `from` of each tensor [B, H, T, K] into `row`, from slot `slot` on. */
  write(
    row: number,
    slot: number,
    sources: Readonly<Record<string, Tensor>>,
    from: number,
    count: number,
  ): void {
    for (const { name, heads, size, data } of this.parts) {
      const { data: source, shape } = sources[name]!;
      const length = shape[2]!;
      for (let head = 0; head < heads; head++) {
        const start = (from * heads + head) * length * size;
        const target = ((row * heads + head) * this.slots + slot) * size;
        copy(source as Float32Array, start, data, target, count * size);
      }
    }
  }

  /** Copies the slots from `start` up to `end` of one row into another. */
  copyRow(from: number, to: number, start: number, end: number): void {
    for (const { heads, size, data } of this.parts) {
      for (let head = 0; head < heads; head++) {
        const source = (from * heads + head) * this.slots * size;
        const target = (to * heads + head) * this.slots * size;
        data.copyWithin(target + start * size, source + start * size, source + end * size);
      }
    }
  }
}

/** Below this many numbers a loop is faster than making a view for `set`. */
const shortCopy = 128;

function copy(source: Float32Array, start: number, target: Float32Array, at: number, count: number): void {
  if (count > shortCopy) target.set(source.subarray(start, start + count), at);
  else for (let i = 0; i < count; i++) target[at + i] = source[start + i]!;
}
