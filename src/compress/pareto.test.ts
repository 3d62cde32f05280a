import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { paretoFront } from "./pareto.ts";

const costs = fc.array(fc.tuple(fc.integer({ max: 9, min: 0 }), fc.integer({ max: 9, min: 0 })), {
  maxLength: 12,
});
const isBeaten = (b: readonly number[], a: readonly number[]): boolean =>
  a[0]! <= b[0]! && a[1]! <= b[1]! && String(a) !== String(b);

describe("paretoFront", () => {
  test("holds nothing that another item beats, and beats or equals all else", () => {
    fc.assert(
      fc.property(costs, (items) => {
        const front = paretoFront(items, (item) => item);
        for (const item of front) expect(items.some((other) => isBeaten(item, other))).toBe(false);
        for (const item of items)
          expect(front.includes(item) || front.some((other) => isBeaten(item, other))).toBe(true);
      }),
    );
  });

  test("does not depend on what it beats", () => {
    fc.assert(
      fc.property(costs, (items) => {
        const front = paretoFront(items, (item) => item);
        expect(paretoFront(front, (item) => item)).toEqual(front);
      }),
    );
  });
});
