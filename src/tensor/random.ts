/**
 * Seeded random numbers that depend only on (seed, position), so that work can resume or be split anywhere.
 * The mixing function is `lowbias32` of C. Wellons' hash prospector, https://nullprogram.com/blog/2018/07/31/
 */

/** Mixes 32 bits so that every input bit flips each output bit with probability near one half. */
export function hash32(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** A 32-bit key from a seed and any number of labels (names, counters). Order matters. */
export function deriveKey(seed: number, ...labels: readonly (string | number)[]): number {
  let key = hash32(seed ^ 0x9e3779b9);
  for (const label of labels) {
    if (typeof label === "number") key = hash32(Math.imul(key, 31) + hash32(label) + 1);
    else for (let i = 0; i < label.length; i++) key = hash32(Math.imul(key, 31) + label.charCodeAt(i) + 1);
  }
  return key;
}

/** A stream of random numbers; `position` counts draws and may be saved and set. */
export class Random {
  private readonly key: number;

  constructor(
    seed: number,
    public position = 0,
  ) {
    this.key = deriveKey(seed);
  }

  /** A stream that is independent of this one and of its position. */
  fork(...labels: readonly (string | number)[]): Random {
    return new Random(deriveKey(this.key, ...labels));
  }

  /** Uniform 32-bit integer. */
  uint32(): number {
    const counter = this.position++;
    return hash32(
      hash32((counter ^ this.key) >>> 0) + Math.imul(this.key, 0x9e3779b1) + Math.floor(counter / 2 ** 32),
    );
  }

  /** Uniform in [0, 1) with 53 bits. */
  uniform(): number {
    return ((this.uint32() >>> 5) * 0x4000000 + (this.uint32() >>> 6)) / 2 ** 53;
  }

  /** Uniform integer in [0, bound). */
  integer(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** Normal with mean 0 and standard deviation 1 (Box–Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Shuffles in place (Fisher–Yates) and returns the array. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = items[i];
      items[i] = items[j];
      items[j] = held;
    }
    return items;
  }
}
