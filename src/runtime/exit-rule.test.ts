import { describe, expect, test } from "vitest";
import { agree } from "./exit-rule.ts";

const says = (agreement: "label" | "labels" | "number", before: number[], now: number[]): boolean =>
  agree({ patience: 1, agreement, threshold: 0.5 }, Float32Array.from(before), Float32Array.from(now));

describe("classifiers agree", () => {
  test("on a label when the best one is the same", () => {
    expect(says("label", [1, 3, 2], [-9, 0.1, 0])).toBe(true);
    expect(says("label", [1, 3, 2], [3, 2, 1])).toBe(false);
  });

  test("on labels when the same logits are positive", () => {
    expect(says("labels", [1, -3, 2], [5, -1, 0.1])).toBe(true);
    expect(says("labels", [1, -3, 2], [5, 0.1, 2])).toBe(false);
    expect(says("labels", [1, 0], [1, -1])).toBe(true);
  });

  test("on a number when it moves by less than the threshold", () => {
    expect(says("number", [1], [1.49])).toBe(true);
    expect(says("number", [1], [1.5])).toBe(false);
    expect(says("number", [1], [0.4])).toBe(false);
  });
});
