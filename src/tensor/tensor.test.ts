import { describe, expect, test } from "vitest";
import { arrayOf, bytesOf, type DType, isBigInt, isFloat } from "./dtype.ts";
import { float16ToNumber, numberToFloat16, sizeOf, Tensor } from "./tensor.ts";

const dtypes: readonly [DType, number][] = [
  ["float32", 4],
  ["float64", 8],
  ["float16", 2],
  ["int8", 1],
  ["uint8", 1],
  ["int16", 2],
  ["uint16", 2],
  ["int32", 4],
  ["uint32", 4],
  ["int64", 8],
  ["uint64", 8],
  ["bool", 1],
];

describe("Tensor", () => {
  test.each(dtypes)("%s takes numbers and gives them back", (dtype, bytes) => {
    const tensor = Tensor.from(dtype, [3], [0, 1, 1]);
    expect(tensor.toNumbers()).toEqual([0, 1, 1]);
    expect([tensor.size, tensor.sizeBytes, bytesOf(dtype)]).toEqual([3, 3 * bytes, bytes]);
    expect(Tensor.zeros(dtype, [2]).toNumbers()).toEqual([0, 0]);
  });

  test("int64 takes bigint and number alike", () => {
    expect(Tensor.from("int64", [2], [-5n, 7n]).toNumbers()).toEqual([-5, 7]);
    expect(Tensor.from("int64", [1], [2 ** 40]).data).toEqual(new BigInt64Array([2n ** 40n]));
  });

  test("a scalar has one element", () => {
    expect(sizeOf([])).toBe(1);
    expect(sizeOf([3, 0])).toBe(0);
    expect(Tensor.from("float32", [], [2]).size).toBe(1);
  });

  test("reshape shares the data", () => {
    const tensor = Tensor.from("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
    const flat = tensor.reshape([6]);
    expect(flat.data).toBe(tensor.data);
    expect(() => tensor.reshape([4])).toThrow("tensor of shape [4]: expected 4 elements, got 6");
  });

  test("refuses another array class or number of elements", () => {
    expect(() => new Tensor("float32", [2], new Float64Array(2))).toThrow(
      "tensor of float32: expected Float32Array, got Float64Array",
    );
    expect(() => new Tensor("float32", [2], new Float32Array(3))).toThrow(
      "tensor of shape [2]: expected 2 elements, got 3",
    );
    expect(() => Tensor.from("float32", [2], [1])).toThrow("tensor of shape [2]: expected 2 values, got 1");
  });
});

describe("dtypes", () => {
  test("float and bigint dtypes are told apart", () => {
    expect(dtypes.map(([dtype]) => dtype).filter(isFloat)).toEqual(["float32", "float64", "float16"]);
    expect(dtypes.map(([dtype]) => dtype).filter(isBigInt)).toEqual(["int64", "uint64"]);
    expect(arrayOf("bool")).toBe(Uint8Array);
  });
});

describe("float16", () => {
  const patterns = Array.from({ length: 65_536 }, (_, bits) => bits);
  const isNanPattern = (bits: number): boolean => (bits & 0x7fff) > 0x7c00;

  test("all bit patterns survive decoding and encoding; NaNs stay NaN with their sign", () => {
    const wrong = patterns.filter((bits) => {
      const back = numberToFloat16(float16ToNumber(bits));
      return isNanPattern(bits) ? !isNanPattern(back) : back !== bits;
    });
    expect(wrong).toEqual([]);
  });

  test("decoded values rise with their bits", () => {
    for (let bits = 1; bits <= 0x7c00; bits++) {
      if (!(float16ToNumber(bits) > float16ToNumber(bits - 1))) expect.fail(`bits ${bits}`);
    }
  });

  test("numbers between two neighbours go to the nearer, ties to the even one", () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [float16ToNumber(bits), float16ToNumber(bits + 1)];
      const middle = (low + high) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const rounded = [low + (high - low) / 4, middle, low + (3 * (high - low)) / 4].map(numberToFloat16);
      if (rounded.join() !== [bits, even, bits + 1].join()) expect.fail(`bits ${bits}: ${rounded}`);
    }
  });

  test("special values have their own bits", () => {
    expect([65_519, 65_520, 1e10, Number.POSITIVE_INFINITY].map(numberToFloat16)).toEqual([
      0x7bff, 0x7c00, 0x7c00, 0x7c00,
    ]);
    expect([-0, -1, 2 ** -25, 2 ** -24].map(numberToFloat16)).toEqual([0x8000, 0xbc00, 0, 1]);
    expect(Number.isNaN(float16ToNumber(numberToFloat16(Number.NaN)))).toBe(true);
  });
});
