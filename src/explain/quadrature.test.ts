import { describe, expect, test } from "vitest";
import { gaussLegendre } from "./quadrature.ts";

describe("Gauss–Legendre quadrature", () => {
  test.each([1, 2, 5, 32])("of %i points integrates powers up to 2n − 1 exactly", (count) => {
    const { points, weights } = gaussLegendre(count);
    for (const power of [0, 1, count, 2 * count - 1]) {
      const integral = points.reduce((sum, point, at) => sum + weights[at]! * point ** power, 0);
      expect(integral).toBeCloseTo(1 / (power + 1), 12);
    }
  });

  test("does not integrate the next power exactly", () => {
    const { points, weights } = gaussLegendre(2);
    const integral = points.reduce((sum, point, at) => sum + weights[at]! * point ** 4, 0);
    expect(Math.abs(integral - 1 / 5)).toBeGreaterThan(1e-3);
  });
});
