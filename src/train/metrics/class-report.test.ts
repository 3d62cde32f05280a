import { expect, test } from "vitest";
import { ConfigError } from "../../errors.ts";
import { classReport, multiClassReport } from "./class-report.ts";

// The example of scikit-learn's manual on classification_report.
const [actual, predicted] = [
  [0, 1, 2, 2, 0],
  [0, 0, 2, 1, 0],
];

test("a report has scikit-learn's figures for each class, and the matrix with true classes as rows", () => {
  const { classes, confusion } = classReport(["a", "b", "c"], predicted, actual);
  expect(classes.map(({ label, count }) => [label, count])).toEqual([
    ["a", 2],
    ["b", 1],
    ["c", 2],
  ]);
  expect(classes[0]!.precision).toBeCloseTo(2 / 3, 12);
  expect(classes.map(({ recall }) => recall)).toEqual([1, 0, 0.5]);
  expect(classes.map((each) => Number(each.f1.toFixed(2)))).toEqual([0.8, 0, 0.67]);
  expect(confusion).toEqual([
    [2, 0, 0],
    [1, 0, 0],
    [0, 1, 1],
  ]);
});

test("items of several classes have no matrix, nor have more than a hundred classes", () => {
  const several = multiClassReport(["a", "b", "c"], [[0, 1], []], [[0], [1]]);
  expect(several.confusion).toBeUndefined();
  expect(several.classes.map(({ count, f1 }) => [count, f1])).toEqual([
    [1, 1],
    [1, 0],
    [0, 0],
  ]);
  const labels = Array.from({ length: 101 }, (_, at) => String(at));
  expect(classReport(labels, [100], [100])).not.toHaveProperty("confusion");
});

test("a report of nothing is refused", () => {
  expect(() => classReport(["a"], [], [])).toThrow(ConfigError);
});
