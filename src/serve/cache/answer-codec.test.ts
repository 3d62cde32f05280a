import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeAnswer, encodeAnswer } from "./answer-codec.ts";

describe("answers as bytes", () => {
  test("are what they were, whatever JSON they are", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(decodeAnswer(encodeAnswer(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test("of float32 take their bits, which is a fifth of their JSON", () => {
    const embedding = [Array.from({ length: 384 }, (_, at) => Math.fround(Math.sin(at)))];
    const bytes = encodeAnswer(embedding);
    expect(bytes.length).toBe(384 * 4 + 10);
    expect(bytes.length * 4.5).toBeLessThan(JSON.stringify(embedding).length);
    expect(decodeAnswer(bytes)).toEqual(embedding);
  });

  test.each([
    ["numbers that float32 does not hold", [[0.1, 0.2]]],
    ["rows of different lengths", [[1, 2], [3]]],
    ["no rows", [[]]],
    ["a number beside a list", [[1], 2]],
    ["numbers and texts", [1, "a"]],
  ])("are not changed when they are %s", (_, value) => {
    expect(decodeAnswer(encodeAnswer(value))).toEqual(value);
  });

  test("of another program are refused", () => {
    expect(() => decodeAnswer(Buffer.from("hello"))).toThrow(/unknown form/);
  });
});
