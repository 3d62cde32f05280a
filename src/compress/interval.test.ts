import { describe, expect, test } from "vitest";
import { pairedInterval, wilsonInterval } from "./interval.ts";

describe("wilsonInterval", () => {
  test.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])("of %i in %i is as Newcombe 1998 tabulates it", (hits, count, low, high) => {
    const interval = wilsonInterval(hits / count, count);
    expect(interval[0]).toBeCloseTo(low, 4);
    expect(interval[1]).toBeCloseTo(high, 4);
  });
});

describe("pairedInterval", () => {
  test("is near the normal approximation of 12 losses and 2 gains in 50", () => {
    const before = Array.from({ length: 50 }, (_, at) => (at < 12 || at >= 20 ? 1 : at < 14 ? 0 : 1));
    const after = Array.from({ length: 50 }, (_, at) => (at < 12 ? 0 : 1));
    const [low, high] = pairedInterval(before, after); // 0.2 ± 1.96 √(14 − 100/50) / 50
    expect(Math.abs(low - 0.0642)).toBeLessThan(0.03);
    expect(Math.abs(high - 0.3358)).toBeLessThan(0.03);
  });

  test("is a point where both models answer alike", () => {
    expect(pairedInterval([1, 0, 1], [1, 0, 1])).toEqual([0, 0]);
  });
});
