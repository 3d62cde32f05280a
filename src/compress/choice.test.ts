import { describe, expect, test } from "vitest";
import { chosenOf, meets } from "./choice.ts";
import type { Figures } from "./figures.ts";

const candidate = (pointsLost: number, latencyMs: number, sizeBytes: number): { figures: Figures } => ({
  figures: {
    accuracy: 0.9,
    accuracyInterval: [0.88, 0.92],
    pointsLost,
    pointsLostInterval: [pointsLost - 1, pointsLost + 1],
    latencyMs,
    teacherLatencyMs: 10,
    itemsPerSecond: 100,
    teacherItemsPerSecond: 50,
    sizeBytes,
    teacherSizeBytes: 100,
    millijoules: 1,
  },
});
const [safe, quick, wild] = [candidate(0.1, 6, 40), candidate(0.9, 4, 30), candidate(4, 1, 10)];

describe("chosenOf", () => {
  test("takes the fastest that meets the contract", () => {
    expect(chosenOf([safe, quick, wild], { maxDrop: 1 })).toBe(quick);
    expect(chosenOf([safe, quick, wild], { maxDrop: 0.5 })).toBe(safe);
  });

  test("falls back to the fastest that is accurate enough, then to the most accurate", () => {
    expect(chosenOf([safe, quick, wild], { maxDrop: 1, targetLatencyMs: 2 })).toBe(quick);
    expect(chosenOf([quick, wild], { maxDrop: 0.5 })).toBe(quick);
    expect(chosenOf([], { maxDrop: 1 })).toBeUndefined();
  });

  test("holds a contract to all of its parts", () => {
    expect(meets(quick.figures, { maxDrop: 1, targetLatencyMs: 4, targetSizeBytes: 30 })).toBe(true);
    expect(meets(quick.figures, { maxDrop: 1, targetSizeBytes: 29 })).toBe(false);
  });
});
