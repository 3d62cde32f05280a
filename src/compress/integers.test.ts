import { describe, expect, test } from "vitest";
import { Random } from "../tensor/random.ts";
import { numberToFloat16, Tensor } from "../tensor/tensor.ts";
import { quantizeWeight } from "./integers.ts";

const random = new Random(1);
const shape = [6, 40];
const floats = Tensor.from(
  "float32",
  shape,
  Array.from({ length: 240 }, () => random.normal()),
);
const at = (row: number, column: number): number => floats.data[row * 40 + column] as number;

describe("quantizeWeight", () => {
  test("gives every row a scale and stays within half a step", () => {
    const { values, scale } = quantizeWeight(floats, { kind: "int8", axis: 0, isTransposed: false }, 7);
    expect([values.dtype, values.shape, scale.shape]).toEqual(["int8", [6, 40], [6]]);
    for (let row = 0; row < 6; row++) {
      const step = Number(scale.data[row]);
      const codes = Array.from({ length: 40 }, (_, column) => Number(values.data[row * 40 + column]));
      expect(Math.max(...codes.map(Math.abs))).toBe(63);
      for (const [column, code] of codes.entries())
        expect(Math.abs(code * step - at(row, column))).toBeLessThan(step * 0.501);
    }
  });

  test("transposed is the same integers laid out by columns", () => {
    const plain = quantizeWeight(floats, { kind: "int8", axis: 0, isTransposed: false }, 8);
    const turned = quantizeWeight(floats, { kind: "int8", axis: 0, isTransposed: true }, 8);
    expect(turned.values.shape).toEqual([40, 6]);
    expect(turned.scale).toEqual(plain.scale);
    for (const [row, column] of [
      [0, 0],
      [5, 39],
      [2, 17],
    ] as const)
      expect(turned.values.data[column * 6 + row]).toBe(plain.values.data[row * 40 + column]);
  });

  test("gives every column a scale where columns are the outputs", () => {
    const { values, scale } = quantizeWeight(floats, { kind: "int8", axis: 1, isTransposed: false }, 8);
    expect([values.shape, scale.shape]).toEqual([[6, 40], [40]]);
    expect(Number(values.data[3 * 40 + 11]) * Number(scale.data[11])).toBeCloseTo(at(3, 11), 1);
  });

  test("reads half precision, and leaves rows of zeros zeros", () => {
    const halves = new Tensor("float16", [2, 2], Uint16Array.from([1, -2, 0, 0].map(numberToFloat16)));
    const { values, scale } = quantizeWeight(halves, { kind: "int8", axis: 0, isTransposed: false }, 8);
    expect(values.toNumbers()).toEqual([64, -127, 0, 0]);
    expect(scale.toNumbers()[1]).toBe(1);
  });

  test.each([4, 8] as const)("blocks of %i bits hold the inner axis, filled up with zeros", (bits) => {
    const plan = { kind: "blocks", axis: 0, bits, blockSize: 16 } as const;
    const { values, scale } = quantizeWeight(floats, plan, 7);
    expect([values.shape, scale.shape]).toEqual([[6, 3, 2 * bits], [18]]);
    const zeroPoint = 2 ** (bits - 1);
    const codeOf = (block: number, element: number): number => {
      const byte = Number(values.data[block * 2 * bits + Math.floor((element * bits) / 8)]);
      return bits === 8 ? byte : (byte >> (element % 2 === 1 ? 4 : 0)) & 15;
    };
    for (let row = 0; row < 6; row++) {
      for (let column = 0; column < 40; column++) {
        const block = row * 3 + (column >> 4);
        const step = Number(scale.data[block]);
        const value = (codeOf(block, column & 15) - zeroPoint) * step;
        expect(Math.abs(value - at(row, column))).toBeLessThan(Math.abs(step) * 1.01);
      }
      expect(codeOf(row * 3 + 2, 15)).toBe(zeroPoint);
    }
  });
});
