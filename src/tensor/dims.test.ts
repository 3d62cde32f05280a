import { describe, expect, test } from "vitest";
import {
  addDims,
  bindShape,
  broadcastShapes,
  type Dim,
  divideDims,
  equalDims,
  equalShapes,
  isStatic,
  mulDims,
  normaliseAxis,
  productOf,
  showShape,
  subDims,
  symbol,
} from "./dims.ts";
import { Random } from "./random.ts";

const batch = symbol("batch");
const length = symbol("length");
const sizes = { batch: 5, length: 7 };
const sizeAt = (dim: Dim): number => bindShape([dim], sizes)[0]!; // never −0

/** A random polynomial in batch and length. */
function randomDim(random: Random, depth = 3): Dim {
  if (depth === 0) return [batch, length, random.integer(7) - 3][random.integer(3)]!;
  const [a, b] = [randomDim(random, depth - 1), randomDim(random, depth - 1)];
  return [addDims, subDims, mulDims][random.integer(3)]!(a, b);
}

describe("dimension arithmetic", () => {
  test("agrees with numbers for random polynomials", () => {
    const random = new Random(1);
    for (let round = 0; round < 300; round++) {
      const [a, b] = [randomDim(random), randomDim(random)];
      expect(sizeAt(addDims(a, b))).toBe(sizeAt(a) + sizeAt(b));
      expect(sizeAt(subDims(a, b))).toBe(sizeAt(a) - sizeAt(b));
      expect(sizeAt(mulDims(a, b))).toBe(sizeAt(a) * sizeAt(b) + 0);
    }
  });

  test("brings equal polynomials to one form", () => {
    const random = new Random(2);
    for (let round = 0; round < 300; round++) {
      const [a, b, c] = [randomDim(random, 2), randomDim(random, 2), randomDim(random, 2)];
      expect(equalDims(addDims(a, b), addDims(b, a))).toBe(true);
      expect(equalDims(mulDims(a, b), mulDims(b, a))).toBe(true);
      expect(equalDims(mulDims(a, addDims(b, c)), addDims(mulDims(a, b), mulDims(a, c)))).toBe(true);
      expect(subDims(addDims(a, b), addDims(b, a))).toBe(0);
    }
  });

  test("ends in plain numbers where symbols cancel", () => {
    expect(subDims(addDims(batch, 3), batch)).toBe(3);
    expect(mulDims(batch, 0)).toBe(0);
    expect(productOf([])).toBe(1);
    expect(productOf([2, 3])).toBe(6);
  });

  test("divides exactly or not at all", () => {
    const product = mulDims(mulDims(batch, length), 6);
    expect(String(divideDims(product, mulDims(batch, 2)))).toBe("3*length");
    expect(divideDims(product, product)).toBe(1);
    expect(divideDims(12, 4)).toBe(3);
    expect(divideDims(0, batch)).toBe(0);
    for (const [a, b] of [
      [12, 5],
      [12, 0],
      [0, 0],
      [batch, 0],
      [product, 4],
      [length, batch],
      [batch, mulDims(batch, batch)],
      [product, addDims(batch, 1)],
    ] as const) {
      expect(divideDims(a, b)).toBeUndefined();
    }
  });

  test("undoes a product for random polynomials and single terms", () => {
    const random = new Random(3);
    for (let round = 0; round < 200; round++) {
      const a = randomDim(random);
      const term = mulDims([batch, length, 3][random.integer(3)]!, 1 + random.integer(4));
      expect(equalDims(divideDims(mulDims(a, term), term)!, a)).toBe(true);
    }
  });

  test("writes dimensions as text, also in JSON", () => {
    const dim = addDims(mulDims(mulDims(length, batch), 2), 1);
    expect(showShape([dim, 4])).toBe("[2*batch*length+1, 4]");
    expect(JSON.stringify([batch, 4])).toBe('["batch",4]');
  });
});

describe("shapes", () => {
  test("are equal when their dimensions are", () => {
    expect(equalShapes([addDims(batch, 0), 2], [symbol("batch"), 2])).toBe(true);
    expect(equalShapes([batch], [length])).toBe(false);
    expect(equalShapes([2], [batch])).toBe(false);
    expect(equalShapes([2], [2, 1])).toBe(false);
    expect([isStatic([2, 3]), isStatic([2, batch])]).toEqual([true, false]);
  });

  test("broadcast as in NumPy", () => {
    expect(broadcastShapes("test", [4, 1, 3], [2, 1])).toEqual([4, 2, 3]);
    expect(broadcastShapes("test", [], [2])).toEqual([2]);
    expect(broadcastShapes("test")).toEqual([]);
    expect(broadcastShapes("test", [batch, 1], [1, 3], [3])).toEqual([batch, 3]);
    expect(broadcastShapes("test", [0], [1])).toEqual([0]);
  });

  test("never take a symbol for 1 or for a number", () => {
    expect(() => broadcastShapes("here", [batch], [length])).toThrow(
      "here: shapes [batch] and [length] do not broadcast",
    );
    expect(() => broadcastShapes("here", [batch], [2])).toThrow(
      "here: shapes [batch] and [2] do not broadcast",
    );
  });

  test("need a size for every symbol to be bound", () => {
    expect(bindShape([mulDims(batch, 2), 3], { batch: 4 })).toEqual([8, 3]);
    expect(() => bindShape([addDims(length, 1)], { batch: 4 })).toThrow(
      'dimension length+1: no size was given for "length"',
    );
  });

  test("have axes counted from either end", () => {
    expect([normaliseAxis(-1, 3, "test"), normaliseAxis(0, 3, "test")]).toEqual([2, 0]);
    for (const axis of [3, -4, 0.5, Number.NaN]) {
      expect(() => normaliseAxis(axis, 3, "test")).toThrow(
        `test: axis ${axis} is outside a tensor of rank 3`,
      );
    }
  });
});
