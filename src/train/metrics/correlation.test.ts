import { describe, expect, test } from "vitest";
import { meanSquaredError, pearson, spearman } from "./correlation.ts";

describe("correlation", () => {
  test("Pearson follows its definition", () => {
    // Centred (−1, 0, 1) and (−1, 1, 0): 1 / √(2·2).
    expect(pearson([1, 2, 3], [1, 3, 2])).toBeCloseTo(0.5, 12);
    expect(pearson([1, 2, 3], [6, 4, 2])).toBeCloseTo(-1, 12);
  });

  test("Spearman sees order only", () => {
    expect(spearman([1, 2, 3, 4], [1, 10, 100, 1000])).toBe(1);
    expect(spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])).toBeCloseTo(0.8207826816681233, 12); // SciPy's manual
  });

  test("Spearman agrees with the IQ and television example of Wikipedia", () => {
    const iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110];
    const hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17];
    expect(spearman(iq, hours)).toBeCloseTo(-29 / 165, 12);
  });

  test("is 0 where one side does not vary", () => {
    expect(pearson([2, 2, 2], [1, 2, 3])).toBe(0);
    expect(spearman([1, 2, 3], [5, 5, 5])).toBe(0);
  });

  test("the mean squared error squares each difference", () => {
    expect(meanSquaredError([1, 2], [3, 3])).toBe(2.5);
  });
});
