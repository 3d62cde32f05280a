import { describe, expect, test } from "vitest";
import { WeightError } from "../errors.ts";
import { assertNames } from "./assert-names.ts";

const shapes = (record: Record<string, readonly number[]>) =>
  new Map(Object.entries(record).map(([name, shape]) => [name, { shape }]));

describe("assertNames", () => {
  test("lets equal names and shapes pass", () => {
    const same = shapes({ a: [2, 3], scalar: [] });
    expect(assertNames("bert", same, same)).toEqual({ missing: [], unexpected: [] });
  });

  test("puts every difference into one error", () => {
    const expected = shapes({ a: [2, 3], b: [1], c: [], d: [4] });
    const found = shapes({ a: [3, 2], d: [4], x: [1], y: [1] });
    const message =
      "bert: the checkpoint does not fit the model\n  missing (2): b; c\n" +
      "  misshaped (1): a: expected [2, 3], checkpoint has [3, 2]\n  unexpected (2): x; y";
    expect(() => assertNames("bert", expected, found)).toThrow(new WeightError(message));
  });

  test("lists ten names of a kind and counts the others", () => {
    const expected = shapes(Object.fromEntries(Array.from({ length: 13 }, (_, i) => [`w${i}`, [1]])));
    expect(() => assertNames("bert", expected, new Map())).toThrow(/missing \(13\): w0; .*; w9; and 3 more$/);
  });

  test("returns the differences that the caller allows, also a head of another shape", () => {
    const expected = shapes({ a: [1], "classifier.weight": [3, 8], "classifier.bias": [3] });
    const found = shapes({ a: [1], "classifier.weight": [2, 8], "embeddings.position_ids": [1, 512] });
    const options = { allowMissing: [/^classifier\./g], ignoreUnexpected: [/position_ids$/] };
    expect(assertNames("bert", expected, found, options)).toEqual({
      missing: ["classifier.bias", "classifier.weight"],
      unexpected: ["embeddings.position_ids"],
    });
    expect(() => assertNames("bert", expected, found)).toThrow(WeightError);
  });
});
