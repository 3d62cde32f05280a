import { describe, expect, test } from "vitest";
import { parseStrictJson } from "./strict-json.ts";

describe("parseStrictJson", () => {
  test("returns what JSON.parse returns", () => {
    const text = '{"a": {"x\\"y": [1, {"a": "b:c"}], "e": true}, "b": "{\\\\", "c" : -1.5e3}';
    expect(parseStrictJson(text)).toEqual(JSON.parse(text));
  });

  test.each([
    '{"a": 1, "a": 2}',
    '{"a": 1, "\\u0061" : 2}',
    '{"outer": {"k": 1, "l": 2, "k": 3}}',
    '[{"a": 1}, {"a": 1, "a": 1}]',
  ])("refuses a key that appears twice in one object: %s", (text) => {
    expect(() => parseStrictJson(text)).toThrow(/appears twice/);
  });

  test("lets a key appear in several objects", () => {
    expect(parseStrictJson('[{"a": 1}, {"a": {"a": 2}}]')).toEqual([{ a: 1 }, { a: { a: 2 } }]);
  });

  test.each(["-1", "-0", "1.0", "1e3", "1E3"])(
    "refuses the number %s where only integers may be",
    (number) => {
      const text = `{"-.e1E": [true, false, 10, ${number}]}`;
      expect(() => parseStrictJson(text, { integersOnly: true })).toThrow(/plain digits/);
    },
  );

  test("does not take marks in strings and in true or false for numbers", () => {
    const text = '{"-1.5e3": "2e1", "x": [true, false, null, 12]}';
    expect(parseStrictJson(text, { integersOnly: true })).toEqual(JSON.parse(text));
  });

  test.each(['{"a":', "["])("refuses %s nested without end, in no time", (opening) => {
    const startMs = performance.now();
    expect(() => parseStrictJson(opening.repeat(10_000_000))).toThrow(/more than 16 objects or arrays/);
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  test.each(['{"a', '{"a\\"', '{"a": }', '"a": 1', "}", ""])("refuses what is not JSON: %s", (text) => {
    expect(() => parseStrictJson(text)).toThrow(SyntaxError);
  });
});
