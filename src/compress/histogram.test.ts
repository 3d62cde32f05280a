import { describe, expect, test } from "vitest";
import { Random } from "../tensor/random.ts";
import { Histogram, type RangeMethod } from "./histogram.ts";

const random = new Random(5);
const normal = Array.from({ length: 20_000 }, () => random.normal());

/** Lowest and highest value of the range. */
function boundsOf(values: readonly (readonly number[])[], method: RangeMethod): [number, number] {
  const histogram = new Histogram();
  for (const own of values) histogram.add(own);
  const { scale, zeroPoint } = histogram.range(method);
  return [-zeroPoint * scale, (255 - zeroPoint) * scale];
}

describe("Histogram", () => {
  test("min-max holds everything that was seen, and zero", () => {
    const [low, high] = boundsOf([[1, 2], [5], [3]], "min-max");
    expect([low, high]).toEqual([-0, 5]);
    const [below, above] = boundsOf([[-3, -1]], "min-max");
    expect(below).toBeCloseTo(-3, 5);
    expect(above).toBeCloseTo(0, 5);
  });

  test.each(["percentile", "entropy"] as const)("%s leaves a lone outlier out", (method) => {
    const [low, high] = boundsOf([normal, [100]], method);
    expect(low).toBeLessThan(-2);
    expect(low).toBeGreaterThan(-6);
    expect(high).toBeGreaterThan(2);
    expect(high).toBeLessThan(9);
    expect(boundsOf([normal, [100]], "min-max")[1]).toBeGreaterThan(99);
  });

  test.each(["percentile", "entropy"] as const)(
    "%s does not depend on the order of what is seen",
    (method) => {
      expect(boundsOf([normal, [100]], method)).toEqual(boundsOf([[100], normal], method));
    },
  );

  test("nothing and zeros give a range that is of use", () => {
    for (const method of ["min-max", "percentile", "entropy"] as const) {
      expect(boundsOf([[]], method)).toEqual([-0, 255]);
      expect(boundsOf([[0, 0]], method)[1]).toBeGreaterThan(0);
    }
  });

  test("values that are no numbers are left out", () => {
    expect(boundsOf([[1, Number.NaN, Number.POSITIVE_INFINITY]], "min-max")[1]).toBeCloseTo(1, 5);
  });
});
