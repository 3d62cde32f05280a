import { describe, expect, test } from "vitest";
import { ConfigError } from "../../errors.ts";
import { accuracy, binaryF1, countClasses, macroF1, matthews, microF1 } from "./classification.ts";

const one = (labels: readonly number[]) => labels.map((label) => [label]);

describe("accuracy", () => {
  test("is the share of equal items", () => {
    expect(accuracy([0, 2, 1, 3], [0, 1, 2, 3])).toBe(0.5);
  });

  test("of nothing is refused", () => {
    expect(() => accuracy([], [])).toThrow(ConfigError);
    expect(() => accuracy([1], [1, 2])).toThrow("got 1 and 2");
  });
});

describe("F1", () => {
  const [predicted, actual] = [
    [0, 2, 1, 0, 0, 1],
    [0, 1, 2, 0, 1, 2],
  ];

  test("macro and micro agree with the example of scikit-learn's manual", () => {
    const counts = countClasses(one(predicted), one(actual));
    expect(macroF1(counts)).toBeCloseTo(0.2667, 4); // F1 0.8, 0, 0
    expect(microF1(counts)).toBeCloseTo(2 / 6, 12);
  });

  test("binary takes class 1 as positive", () => {
    // 2 right, 1 wrongly predicted, 1 missed: 2·2 / (2·2 + 1 + 1).
    expect(binaryF1([1, 1, 1, 0, 0], [1, 1, 0, 1, 0])).toBeCloseTo(2 / 3, 12);
    expect(binaryF1([0, 0], [0, 0])).toBe(0);
  });

  test("counts several classes of one item", () => {
    const counts = countClasses([[0, 1], [2], []], [[0], [2, 1], [1]]);
    expect(counts.get(1)).toEqual({ truePositives: 0, falsePositives: 1, falseNegatives: 2 });
    expect(microF1(counts)).toBeCloseTo(4 / 7, 12);
    expect(macroF1(counts)).toBeCloseTo(2 / 3, 12);
  });
});

describe("Matthews correlation", () => {
  test("of two classes follows (TP·TN − FP·FN) / √…", () => {
    // TP 6, TN 3, FP 1, FN 2.
    const predicted = [1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0];
    const actual = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1];
    expect(matthews(predicted, actual)).toBeCloseTo((6 * 3 - 1 * 2) / Math.sqrt(7 * 8 * 4 * 5), 12);
  });

  test("agrees with the example of scikit-learn's manual", () => {
    expect(matthews([1, -1, 1, 1], [1, 1, 1, -1])).toBeCloseTo(-1 / 3, 12);
  });

  test("is 1 for a perfect answer among three classes and 0 where all predictions are the same", () => {
    expect(matthews([0, 1, 2], [0, 1, 2])).toBe(1);
    expect(matthews([1, 1, 1], [0, 1, 2])).toBe(0);
  });
});
