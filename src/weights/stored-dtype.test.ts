import { describe, expect, test } from "vitest";
import { WeightError } from "../errors.ts";
import {
  bitsOf,
  isStoredDType,
  type StoredDType,
  sameBytesDType,
  storedDTypeOf,
  tensorOf,
} from "./stored-dtype.ts";

const valuesOf = (stored: StoredDType, bytes: readonly number[]): number[] => {
  const length = (bytes.length * 8) / bitsOf(stored);
  return tensorOf(stored, [length], Uint8Array.from(bytes), "test").toNumbers();
};

describe("stored dtypes", () => {
  test("bfloat16 becomes the float32 with the same upper half", () => {
    expect(valuesOf("BF16", [0x80, 0x3f, 0x20, 0xc1, 0x80, 0x7f, 0x01, 0x00])).toEqual([
      1,
      -10,
      Infinity,
      2 ** -133,
    ]);
    expect(valuesOf("BF16", [0xc0, 0x7f])).toEqual([Number.NaN]);
  });

  test("F8_E4M3 has no infinity and reaches 448", () => {
    expect(valuesOf("F8_E4M3", [0x00, 0x01, 0x08, 0x38, 0xb8, 0x7e, 0x7f])).toEqual([
      0,
      2 ** -9,
      2 ** -6,
      1,
      -1,
      448,
      Number.NaN,
    ]);
  });

  test("F8_E5M2 has infinities and reaches 57,344", () => {
    expect(valuesOf("F8_E5M2", [0x01, 0x3c, 0x7b, 0x7c, 0xfc, 0x7d])).toEqual([
      2 ** -16,
      1,
      57344,
      Infinity,
      -Infinity,
      Number.NaN,
    ]);
  });

  test("the FNUZ formats have one NaN in place of −0 and a bias one larger", () => {
    expect(valuesOf("F8_E4M3FNUZ", [0x01, 0x40, 0x7f, 0x80, 0xff])).toEqual([
      2 ** -10,
      1,
      240,
      Number.NaN,
      -240,
    ]);
    expect(valuesOf("F8_E5M2FNUZ", [0x01, 0x40, 0x7f, 0x80])).toEqual([2 ** -17, 1, 57344, Number.NaN]);
  });

  test("F8_E8M0 is a power of two", () => {
    expect(valuesOf("F8_E8M0", [0, 127, 130, 254, 255])).toEqual([2 ** -127, 1, 8, 2 ** 127, Number.NaN]);
  });

  test("bytes at an odd address are copied into place", () => {
    const bytes = Uint8Array.from([9, 1, 0, 0, 0, 0, 0, 0, 0]).subarray(1);
    expect(tensorOf("I64", [1], bytes, "test").data).toEqual(BigInt64Array.of(1n));
  });

  test("aligned bytes are not copied", () => {
    const bytes = new Uint8Array(8);
    expect(tensorOf("F32", [2], bytes, "test").data.buffer).toBe(bytes.buffer);
  });

  test.each(["C64", "F4", "F6_E2M3", "F6_E3M2"] as const)("%s is known but cannot be read", (stored) => {
    expect(isStoredDType(stored)).toBe(true);
    expect(() => tensorOf(stored, [8], new Uint8Array(bitsOf(stored)), "file: tensor")).toThrow(
      new WeightError(
        `file: tensor: ${stored} cannot be read as a tensor; convert the checkpoint to F32 or F16`,
      ),
    );
  });

  test("a BOOL other than 0 and 1 is damage", () => {
    expect(() => tensorOf("BOOL", [2], Uint8Array.of(1, 2), "file")).toThrow(WeightError);
  });

  test("every dtype of ours has a stored name and comes back from it", () => {
    expect(sameBytesDType(storedDTypeOf("float16"))).toBe("float16");
    expect(storedDTypeOf("bool")).toBe("BOOL");
    expect(sameBytesDType("BF16")).toBeUndefined();
    expect(isStoredDType("toString")).toBe(false);
  });
});
