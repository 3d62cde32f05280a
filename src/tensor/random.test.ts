import { describe, expect, test } from "vitest";
import { deriveKey, hash32, Random } from "./random.ts";

const draw = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => random.uniform());

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Pearson correlation of two equally long lists. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  const covariance = meanOf(a.map((value, at) => (value - meanA) * (b[at]! - meanB)));
  const spread = (values: readonly number[], mean: number): number =>
    Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2)));
  return covariance / (spread(a, meanA) * spread(b, meanB));
}

describe("Random", () => {
  test("resumes from a saved position", () => {
    const random = new Random(7);
    draw(random, 101);
    const { position } = random;
    const rest = draw(random, 50);
    expect(draw(new Random(7, position), 50)).toEqual(rest);
  });

  test("goes on past 2^32 draws without repeating itself", () => {
    expect(draw(new Random(7, 2 ** 32), 8)).not.toEqual(draw(new Random(7), 8));
  });

  test("forks do not depend on the position, nor change it", () => {
    const random = new Random(7);
    const early = draw(random.fork("dropout", 3), 5);
    draw(random, 10);
    expect(draw(random.fork("dropout", 3), 5)).toEqual(early);
    expect(random.position).toBe(20);
  });

  test("streams of different seeds and labels are uncorrelated", () => {
    const base = new Random(7);
    const streams = [
      base,
      new Random(8),
      base.fork("a"),
      base.fork("b"),
      base.fork("a", 1),
      base.fork(1, "a"),
    ];
    const values = streams.map((stream) => draw(stream, 4000));
    for (let a = 0; a < values.length; a++) {
      for (let b = 0; b < a; b++) expect(Math.abs(correlation(values[a]!, values[b]!))).toBeLessThan(0.06);
    }
    expect(Math.abs(correlation(values[0]!.slice(1), values[0]!.slice(0, -1)))).toBeLessThan(0.06);
  });

  test("uniform numbers fill [0, 1) evenly", () => {
    const counts = new Array<number>(64).fill(0);
    for (const value of draw(new Random(3), 64_000)) counts[Math.floor(value * 64)]! += 1;
    const chiSquare = counts.reduce((total, count) => total + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeGreaterThan(30); // 63 degrees of freedom: 30 to 110 in all but one of 10,000
    expect(chiSquare).toBeLessThan(110);
  });

  test("integers reach every value below the bound and no other", () => {
    const random = new Random(5);
    const seen = new Set(Array.from({ length: 1000 }, () => random.integer(7)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test("normal numbers have mean 0, deviation 1 and thin tails", () => {
    const random = new Random(11);
    const values = Array.from({ length: 20_000 }, () => random.normal());
    expect(Math.abs(meanOf(values))).toBeLessThan(0.03);
    expect(meanOf(values.map((value) => value ** 2))).toBeCloseTo(1, 1);
    expect(meanOf(values.map((value) => Number(Math.abs(value) > 2)))).toBeCloseTo(0.0455, 2);
    expect(values.every(Number.isFinite)).toBe(true);
  });

  test("shuffles keep the elements and place each anywhere", () => {
    const random = new Random(13);
    const firsts = new Set<number>();
    for (let round = 0; round < 200; round++) {
      const items = random.shuffle([0, 1, 2, 3, 4]);
      firsts.add(items[0]!);
      expect([...items].sort()).toEqual([0, 1, 2, 3, 4]);
    }
    expect(firsts.size).toBe(5);
    expect(random.shuffle(new Int32Array([1]))).toEqual(new Int32Array([1]));
  });
});

describe("hash32", () => {
  test("flips half of the output bits for one input bit", () => {
    let flipped = 0;
    for (let value = 1; value <= 200; value++) {
      for (let bit = 0; bit < 32; bit++) {
        const difference = hash32(value) ^ hash32((value ^ (1 << bit)) >>> 0);
        flipped += difference.toString(2).replace(/[^1]/g, "").length;
      }
    }
    expect(flipped / (200 * 32)).toBeGreaterThan(10);
  });
});

describe("deriveKey", () => {
  test("depends on the seed, the labels and their order", () => {
    const keys = [
      deriveKey(1),
      deriveKey(2),
      deriveKey(1, "a"),
      deriveKey(1, "b"),
      deriveKey(1, "a", "b"),
      deriveKey(1, "b", "a"),
      deriveKey(1, 1),
      deriveKey(1, 1, 2),
      deriveKey(1, 2, 1),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    for (const key of keys) expect(key).toBe(key >>> 0);
  });
});
