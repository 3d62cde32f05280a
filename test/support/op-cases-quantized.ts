/** Cases of ops over integers. Their floats are float32 whatever dtype is under test. */

import {
  blockMatmul,
  dequantizeLinear,
  dynamicQuantize,
  integerMatmul,
  matmulInteger,
  quantizeLinear,
} from "../../src/graph/ops/quantized.ts";
import type { Shape } from "../../src/tensor/dims.ts";
import { B, type CaseInput, type CaseTable, ints } from "./op-cases.ts";

const singles = (shape: Shape, values: readonly number[]): CaseInput => ({ shape, values, dtype: "float32" });

/** Two rows of bytes, and a matrix of two columns. */
const rows = ints([B, 2], [130, 126, 128, 255], "uint8");
const columns = ints([2, 2], [1, -2, 3, 4], "int8");
const zeroPoint = ints([], [128], "uint8");

export const quantizedCases: CaseTable = {
  dynamicQuantize: [
    {
      title: "over the range of its input, 0 included",
      inputs: [singles([B, 2], [0.5, 1, 255, 127.5])],
      build: (x) => dynamicQuantize(x).values,
      expected: [0, 1, 255, 128], // halves to even
    },
  ],
  quantizeLinear: [
    {
      title: "rounds to even and cuts",
      inputs: [singles([B, 3], [0.5, 1.5, 2.4, -300, 300, 0]), singles([], [1]), zeroPoint],
      build: (x, scale, zero) => quantizeLinear(x, scale, zero),
      expected: [128, 130, 130, 0, 255, 128],
    },
  ],
  dequantizeLinear: [
    {
      title: "with a scale for each column",
      inputs: [ints([B, 2], [1, -2, 3, 4], "int8"), singles([2], [2, 0.5])],
      build: (x, scale) => dequantizeLinear(x, scale, undefined, 1),
      expected: [2, -1, 6, 2],
    },
    {
      title: "with one scale and zero point",
      inputs: [rows, singles([], [2]), zeroPoint],
      build: (x, scale, zero) => dequantizeLinear(x, scale, zero),
      expected: [4, -4, 0, 254],
    },
  ],
  matmulInteger: [
    {
      title: "of bytes less their zero point",
      inputs: [rows, columns, zeroPoint],
      build: (a, b, zero) => matmulInteger(a, b, zero),
      expected: [-4, -12, 381, 508],
    },
  ],
  integerMatmul: [
    {
      title: "by columns",
      inputs: [rows, columns, singles([], [0.5]), singles([2], [2, 4]), zeroPoint],
      build: (...inputs) => integerMatmul(...inputs),
      expected: [-4, -24, 381, 1016],
    },
    {
      title: "with a bias",
      inputs: [rows, columns, singles([], [0.5]), singles([2], [2, 4]), zeroPoint, singles([2], [1, -1])],
      build: (...inputs) => integerMatmul(...inputs),
      expected: [-3, -25, 382, 1015],
    },
  ],
  blockMatmul: [
    {
      title: "of zeros and of a whole block",
      inputs: [
        singles([B, 16], [...Array<number>(16).fill(0), ...Array<number>(16).fill(1)]),
        ints([2, 1, 8], [...Array<number>(8).fill(0x99), ...Array<number>(8).fill(0x77)], "uint8"),
        singles([2], [0.5, 2]),
      ],
      build: (...inputs) => blockMatmul(...inputs, { bits: 4, blockSize: 16, innerSize: 16 }),
      expected: [0, 0, 8, -32],
    },
  ],
};
