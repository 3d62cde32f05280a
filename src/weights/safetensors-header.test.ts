import { describe, expect, test } from "vitest";
import { WeightError } from "../errors.ts";
import { parseSafetensors } from "./safetensors.ts";

/** A file with the given header text (or object) and that many zero bytes of data. */
function fileOf(header: string | object, dataBytes: number): Uint8Array {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header), "latin1");
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([prefix, text, Buffer.alloc(dataBytes)]);
}

const entry = (dtype: unknown, shape: unknown, range: unknown) => ({ dtype, shape, data_offsets: range });

const load = (header: string | object, dataBytes: number) => parseSafetensors(fileOf(header, dataBytes), "f");

describe("a safetensors header", () => {
  test.each<[string, string | object, number]>([
    ["no tensors", {}, 0],
    ["a scalar", { a: entry("F32", [], [0, 4]) }, 4],
    [
      "tensors not in the order of their bytes",
      { b: entry("U8", [1], [1, 2]), a: entry("U8", [1], [0, 1]) },
      2,
    ],
    ["an unaligned tensor", { a: entry("U8", [1], [0, 1]), b: entry("F32", [1], [1, 5]) }, 5],
    ["empty tensors between others", { a: entry("U8", [1], [0, 1]), b: entry("F32", [0, 3], [0, 0]) }, 1],
    ["a huge shape around a zero", { a: entry("F32", [0, 2 ** 52, 2 ** 52], [0, 0]) }, 0],
    ["trailing spaces", `{}${" ".repeat(6)}`, 0],
    ["null metadata", { __metadata__: null }, 0],
    [
      "names that objects treat specially",
      '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
    ],
  ])("with %s is read", (_, header, dataBytes) => {
    const names = Object.keys(JSON.parse(typeof header === "string" ? header : JSON.stringify(header)));
    const expected = names.filter((name) => name !== "__metadata__").sort();
    expect([...load(header, dataBytes).tensors.keys()].sort()).toEqual(expected);
  });

  test.each<[string, string | object, number, RegExp]>([
    ["a leading space", " {}", 0, /must start with \{/],
    ["an array", "[]", 0, /must start with \{/],
    ["bytes that are not UTF-8", '{"\xff":1}', 0, /header is not valid/],
    ["broken JSON", '{"a":', 0, /header is not valid/],
    ["a NUL for padding", "{}\0", 0, /header is not valid/],
    ["a tensor twice", '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":1}', 0, /"a" appears twice/],
    ["a metadata key twice", '{"__metadata__":{"k":"1","k":"2"}}', 0, /"k" appears twice/],
    ["a name that is half a character", '{"\\ud800":{}}', 0, /not valid Unicode/],
    ["a tensor that is no object", { a: [1] }, 0, /tensor "a": expected an object/],
    ["an unknown dtype", { a: entry("F33", [1], [0, 4]) }, 4, /tensor "a": dtype must be one of .*"F33"/],
    ["a dtype that is no text", { a: entry(3, [1], [0, 4]) }, 4, /dtype must be one of/],
    ["no dtype", { a: { shape: [1], data_offsets: [0, 4] } }, 4, /the header has none/],
    ["a shape that is no array", { a: entry("F32", 1, [0, 4]) }, 4, /shape must be an array/],
    ["a negative size", { a: entry("F32", [-1], [0, 4]) }, 4, /plain digits/],
    ["a fractional size", '{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}', 1, /plain digits/],
    [
      "a size beyond 2^53",
      '{"a":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,1]}}',
      1,
      /shape must/,
    ],
    ["a product beyond 2^53", { a: entry("F32", [2 ** 30, 2 ** 30], [0, 4]) }, 4, /too large/],
    ["one offset", { a: entry("F32", [1], [0]) }, 4, /data_offsets must be \[start, end\]/],
    ["an end before the start", { a: entry("F32", [0], [4, 0]) }, 4, /data_offsets must be/],
    [
      "a size that contradicts the shape",
      { a: entry("F32", [2], [0, 4]) },
      4,
      /takes 8 bytes, data_offsets span 4/,
    ],
    [
      "sub-byte elements that end within a byte",
      { a: entry("F4", [3], [0, 2]) },
      2,
      /do not fill whole bytes/,
    ],
    ["a gap", { a: entry("U8", [1], [1, 2]) }, 2, /tensor "a" must start at byte 0 .* leaves a gap/],
    ["an overlap", { a: entry("U8", [2], [0, 2]), b: entry("U8", [2], [1, 3]) }, 3, /tensor "b" .* overlaps/],
    ["trailing bytes", { a: entry("U8", [1], [0, 1]) }, 2, /trailing bytes/],
    ["missing bytes", { a: entry("U8", [9], [0, 9]) }, 2, /cut short/],
    ["metadata that is no object", { __metadata__: "x" }, 0, /__metadata__ must map text to text/],
    ["metadata that is not text", { __metadata__: { a: 1 } }, 0, /__metadata__ must map text to text/],
  ])("with %s is refused", (_, header, dataBytes, message) => {
    expect(() => load(header, dataBytes)).toThrow(WeightError);
    expect(() => load(header, dataBytes)).toThrow(message);
  });

  test("sub-byte dtypes are checked by their bits", () => {
    expect(() => load({ a: entry("F6_E2M3", [8], [0, 6]) }, 6)).toThrow(/cannot be read as a tensor/);
    expect(() => load({ a: entry("F6_E2M3", [8], [0, 8]) }, 8)).toThrow(/takes 6 bytes/);
  });

  test.each([
    ["shorter than the prefix", Buffer.alloc(7), /at least 8 bytes, this one has 7/],
    ["with a header beyond 100 MB", Buffer.from([1, 225, 245, 5, 0, 0, 0, 0]), /the file says 100000001/],
    ["with a header beyond 2^53", Buffer.alloc(8, 0xff), /the file says 18446744073709551615/],
    [
      "with a header beyond its end",
      Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 123]),
      /does not fit in a file of 9 bytes/,
    ],
  ])("a file %s is refused", (_, bytes, message) => {
    expect(() => parseSafetensors(bytes, "f")).toThrow(message);
  });

  test("a very long name is cut in the message", () => {
    const header = { ["n".repeat(5000)]: entry("F33", [1], [0, 4]) };
    expect(() => load(header, 4)).toThrow(/^.{1,600}$/);
  });
});
