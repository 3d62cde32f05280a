import { describe, expect, test } from "vitest";
import { nearest } from "./nearest.ts";

describe("nearest", () => {
  const names = ["reviews", "bert-base-uncased", "translate"];

  test.each([
    ["reviwes", "reviews"],
    ["Review", "reviews"],
    ["bert-base-cased", "bert-base-uncased"],
    ["translate", "translate"],
  ])("of %s is %s", (word, expected) => expect(nearest(word, names)).toBe(expected));

  test("is nothing when all are far, or there are none", () => {
    expect(nearest("summary", names)).toBeUndefined();
    expect(nearest("x", [])).toBeUndefined();
  });

  test("counts two swapped neighbours as one edit", () => {
    expect(nearest("ab", ["xyab", "ba"])).toBe("ba");
  });
});
