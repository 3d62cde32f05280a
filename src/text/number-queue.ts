import { grown } from "./pair-table.ts";

/** A binary heap of numbers, the smallest first. */
export class NumberQueue {
  private size = 0;
  private values = new Float64Array(64);

  push(value: number): void {
    if (this.size === this.values.length) this.values = grown(this.values);
    let at = this.size++;
    while (at > 0 && this.values[(at - 1) >> 1]! > value) {
      this.values[at] = this.values[(at - 1) >> 1]!;
      at = (at - 1) >> 1;
    }
    this.values[at] = value;
  }

  pop(): number | undefined {
    if (this.size === 0) return undefined;
    const first = this.values[0];
    const value = this.values[--this.size]!;
    let at = 0;
    for (let child = 1; child < this.size; child = 2 * at + 1) {
      if (child + 1 < this.size && this.values[child + 1]! < this.values[child]!) child++;
      if (this.values[child]! >= value) break;
      this.values[at] = this.values[child]!;
      at = child;
    }
    this.values[at] = value;
    return first;
  }
}
