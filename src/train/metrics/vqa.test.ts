import { describe, expect, test } from "vitest";
import { normaliseVqaAnswer, vqaAccuracy } from "./vqa.ts";

const people = (answers: Readonly<Record<string, number>>): string[] =>
  Object.entries(answers).flatMap(([answer, count]) => new Array<string>(count).fill(answer));

describe("VQA accuracy", () => {
  test("averages min(n / 3, 1) over the people left out one at a time", () => {
    expect(vqaAccuracy("yes", people({ yes: 4, no: 6 }))).toBe(1);
    // the three who said so see two others: 2/3; the seven others see three: 1
    expect(vqaAccuracy("yes", people({ yes: 3, no: 7 }))).toBeCloseTo((3 * (2 / 3) + 7) / 10, 12);
    expect(vqaAccuracy("yes", people({ yes: 2, no: 8 }))).toBeCloseTo((2 * (1 / 3) + 8 * (2 / 3)) / 10, 12);
    expect(vqaAccuracy("yes", people({ yes: 1, no: 9 }))).toBeCloseTo((9 * (1 / 3)) / 10, 12);
    expect(vqaAccuracy("maybe", people({ yes: 3, no: 7 }))).toBe(0);
  });

  test("of one person's answer is 0 or 1", () => {
    expect(vqaAccuracy("a Cat.", ["cat"])).toBe(1);
    expect(vqaAccuracy("dog", ["cat"])).toBe(0);
  });

  test("needs an answer", () => {
    expect(() => vqaAccuracy("yes", [])).toThrow(/got none/);
  });
});

describe("normalised answers", () => {
  test.each([
    ["The Two dogs!", "2 dogs"],
    ["none", "0"],
    ["dont", "don't"],
    ["don't", "don't"],
    ["shouldntve", "shouldn't've"],
    ["wed", "wed"],
    ["red/white", "red white"],
    ["red, white", "red white"],
    ["t-shirt", "t shirt"],
    ["1,000", "1000"],
    ["3.5.", "3.5"],
    ["10:30\n", "10:30"],
    ["a", ""],
  ])("%j is %j", (answer, normal) => {
    expect(normaliseVqaAnswer(answer)).toBe(normal);
  });
});
