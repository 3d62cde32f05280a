/** Numbers for pairs of symbols: an open-addressing hash table over typed arrays. */

/** Pairs get the numbers 0, 1, 2… in the order in which they are first seen. */
export class PairTable {
  size = 0;
  private slots = new Int32Array(1 << 16).fill(-1);
  private lefts = new Int32Array(1 << 15);
  private rights = new Int32Array(1 << 15);

  /** The number of the pair; a new one where it was not seen before. */
  indexOf(left: number, right: number): number {
    const mask = this.slots.length - 1;
    let slot = hash(left, right) & mask;
    for (let index = this.slots[slot]!; index >= 0; index = this.slots[slot]!) {
      if (this.lefts[index] === left && this.rights[index] === right) return index;
      slot = (slot + 1) & mask;
    }
    if (this.size === this.lefts.length) {
      this.grow();
      return this.indexOf(left, right);
    }
    this.slots[slot] = this.size;
    this.lefts[this.size] = left;
    this.rights[this.size] = right;
    return this.size++;
  }

  /** The number of the pair, or -1 where it was never seen. */
  find(left: number, right: number): number {
    const mask = this.slots.length - 1;
    let slot = hash(left, right) & mask;
    for (let index = this.slots[slot]!; index >= 0; index = this.slots[slot]!) {
      if (this.lefts[index] === left && this.rights[index] === right) return index;
      slot = (slot + 1) & mask;
    }
    return -1;
  }

  left(index: number): number {
    return this.lefts[index]!;
  }

  right(index: number): number {
    return this.rights[index]!;
  }

  private grow(): void {
    this.lefts = grown(this.lefts);
    this.rights = grown(this.rights);
    this.slots = new Int32Array(this.slots.length * 2).fill(-1);
    const mask = this.slots.length - 1;
    for (let index = 0; index < this.size; index++) {
      let slot = hash(this.lefts[index]!, this.rights[index]!) & mask;
      while (this.slots[slot]! >= 0) slot = (slot + 1) & mask;
      this.slots[slot] = index;
    }
  }
}

/** Multiply and mix, so that neighbouring ids spread over the table. */
function hash(left: number, right: number): number {
  let value = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  value ^= value >>> 15;
  return Math.imul(value, 0x2c1b3c6d) >>> 7;
}

/** The array's contents in one of twice the length. */
export function grown<T extends Int32Array | Float64Array>(array: T): T {
  const larger = new (array.constructor as new (length: number) => T)(array.length * 2);
  larger.set(array);
  return larger;
}
