/** Cases of reductions, normalisations, products and everything over windows. */

import type { Node } from "../../src/graph/node.ts";
import { conv, convTranspose } from "../../src/graph/ops/conv.ts";
import { sum } from "../../src/graph/ops/core.ts";
import { einsum } from "../../src/graph/ops/einsum.ts";
import { matmul } from "../../src/graph/ops/matmul.ts";
import * as norm from "../../src/graph/ops/norm.ts";
import { averagePool, maxPool } from "../../src/graph/ops/pool.ts";
import * as reduce from "../../src/graph/ops/reduce.ts";
import { resize, resizeAxis } from "../../src/graph/ops/resize.ts";
import { fold, unfold } from "../../src/graph/ops/unfold.ts";
import type { Shape } from "../../src/tensor/dims.ts";
import { B, type CaseTable, floats, given, type OpCase, T } from "./op-cases.ts";

type Reduction = (x: Node, axes?: readonly number[] | number, keepDims?: boolean) => Node;

const reduction = (build: Reduction): OpCase[] => [
  { title: "of everything", inputs: [floats([B, T])], build: (x) => build(x) },
  { title: "of the last axis", inputs: [floats([B, 3])], build: (x) => build(x, -1) },
  { title: "of two axes, kept", inputs: [floats([B, T, 2])], build: (x) => build(x, [0, 2], true) },
  { title: "of a symbolic axis", inputs: [floats([2, T])], build: (x) => build(x, 1) },
];

const alongAxis = (build: (x: Node, axis?: number) => Node): OpCase[] => [
  { title: "along the last axis", inputs: [floats([B, T, 4])], build: (x) => build(x, -1) },
  { title: "along the first axis", inputs: [floats([3, B])], build: (x) => build(x, 0) },
  { title: "along a symbolic axis", inputs: [floats([2, T, 2])], build: (x) => build(x, 1) },
];

export const reduceCases: CaseTable = {
  sum: reduction(sum),
  mean: reduction(reduce.mean),
  variance: reduction(reduce.variance),
  reduceMax: [
    ...reduction(reduce.max),
    {
      title: "of equal elements",
      inputs: [given([B, 3], [1, 1, 0, 2, 2, 2])],
      build: (x) => reduce.max(x, 1),
      expected: [1, 2],
    },
  ],
  reduceMin: reduction(reduce.min),
  logSumExp: [
    ...reduction(reduce.logSumExp),
    {
      title: "without overflow",
      inputs: [given([2], [1000, 1000])],
      build: (x) => reduce.logSumExp(x),
      expected: [1000 + Math.LN2],
    },
  ],
  l2Norm: reduction(reduce.l2Norm),
  argMax: [
    {
      title: "of the first of equal elements",
      inputs: [given([B, 3], [1, 3, 3, 5, 4, 5])],
      build: (x) => reduce.argMax(x),
      expected: [1, 0],
    },
    {
      title: "along the first axis, kept",
      inputs: [given([B, 3], [1, 3, 3, 5, 1, 5])],
      build: (x) => reduce.argMax(x, 0, true),
      expected: [1, 0, 1],
    },
  ],
  argMin: [
    {
      title: "of each row",
      inputs: [given([B, 3], [2, 1, 1, 5, 4, 0])],
      build: (x) => reduce.argMin(x),
      expected: [1, 2],
    },
  ],
  cumSum: alongAxis((x, axis = 0) => reduce.cumSum(x, axis)),
};

export const normCases: CaseTable = {
  softmax: alongAxis(norm.softmax),
  logSoftmax: alongAxis(norm.logSoftmax),
  layerNorm: [
    {
      title: "of rows",
      inputs: [floats([B, T, 4]), floats([4]), floats([4])],
      build: (x, scale, shift) => norm.layerNorm(x!, scale!, shift!, 1e-5),
    },
    {
      title: "with a large epsilon and its statistics used",
      inputs: [floats([B, 4]), floats([4]), floats([4])],
      build: (x, scale, shift) => norm.layerNorm(x!, scale!, shift!, 0.1).call.outputs,
    },
  ],
  rmsNorm: [
    {
      title: "of rows",
      inputs: [floats([B, T, 4]), floats([4])],
      build: (x, scale) => norm.rmsNorm(x!, scale!, 1e-6),
    },
  ],
  batchNorm: [
    {
      title: "with given statistics",
      inputs: [floats([B, 3, 2]), floats([3]), floats([3], 0.5, 1), floats([3]), floats([3])],
      build: (x, mean, variance, scale, shift) =>
        norm.batchNorm(x!, { mean: mean!, variance: variance! }, scale!, shift!, 1e-5),
    },
  ],
  channelMoments: [
    {
      title: "of maps",
      inputs: [floats([B, 3, 2, 2])],
      build: (x) => Object.values(norm.channelMoments(x!)),
    },
    {
      title: "of rows",
      inputs: [floats([B, 3])],
      build: (x) => Object.values(norm.channelMoments(x!)),
    },
  ],
  groupNorm: [
    {
      title: "of two groups",
      inputs: [floats([B, 4, 3]), floats([4]), floats([4])],
      build: (x, scale, shift) => norm.groupNorm(x!, 2, scale!, shift!, 1e-5),
    },
  ],
};

const product = (title: string, a: Shape, b: Shape, options: Parameters<typeof matmul>[2] = {}): OpCase => ({
  title,
  inputs: [floats(a), floats(b)],
  build: (x, y) => matmul(x!, y!, options),
});

export const productCases: CaseTable = {
  matmul: [
    product("of matrices", [B, 3], [3, 2]),
    product("of batches", [B, 2, 3], [B, 3, T]),
    product("with one right matrix", [B, T, 2], [2, 3]),
    product("with one left matrix", [2, 3], [B, 3, T]),
    product("with the batch repeated on both sides", [B, 1, 2, 3], [T, 3, 2]),
    product("with a factor", [B, 2], [2, 2], { alpha: -0.5 }),
    product("with a transposed", [B, 3, 2], [B, 3, T], { transA: true }),
    product("with b transposed", [B, 2, 3], [B, T, 3], { transB: true, alpha: 2 }),
    product("with both transposed", [3, B], [2, 3], { transA: true, transB: true }),
    product("with one right matrix, transposed", [B, T, 2], [3, 2], { transB: true }),
    product("with a transposed and one right matrix", [B, 2, T], [2, 3], { transA: true }),
  ],
  einsum: [
    {
      title: "of attention scores",
      inputs: [floats([B, T, 2, 3]), floats([B, 4, 2, 3])],
      build: (a, b) => einsum("bqhd,bkhd->bhqk", a!, b!),
    },
    {
      title: "of an outer product",
      inputs: [floats([B]), floats([T])],
      build: (a, b) => einsum("i,j->ji", a!, b!),
    },
    {
      title: "to a scalar",
      inputs: [floats([B, T]), floats([B, T])],
      build: (a, b) => einsum("ij,ij->", a!, b!),
    },
    {
      title: "with letters of one operand summed",
      inputs: [floats([B, 2, T]), floats([T, 3])],
      build: (a, b) => einsum("bit,tj->jb", a!, b!),
    },
    {
      title: "with known values",
      inputs: [given([2, 2], [1, 2, 3, 4]), given([2, 2], [5, 6, 7, 8])],
      build: (a, b) => einsum("ij,jk->ki", a!, b!),
      expected: [19, 43, 22, 50],
    },
  ],
};

type ConvOptions = Parameters<typeof conv>[2];
type TransposeOptions = Parameters<typeof convTranspose>[2];

const convolution = (title: string, x: Shape, weight: Shape, options: ConvOptions = {}): OpCase => ({
  title,
  inputs: [floats(x), floats(weight)],
  build: (image, kernel) => conv(image!, kernel!, options),
});

const transposed = (title: string, y: Shape, weight: Shape, options: TransposeOptions = {}): OpCase => ({
  title,
  inputs: [floats(y), floats(weight)],
  build: (image, kernel) => convTranspose(image!, kernel!, options),
});

export const windowCases: CaseTable = {
  conv: [
    convolution("of one axis", [B, 2, 5], [3, 2, 3]),
    convolution("of two axes", [B, 2, 4, 3], [2, 2, 3, 2]),
    convolution("of three axes", [B, 1, 2, 3, 2], [2, 1, 2, 2, 1]),
    convolution("of single elements", [B, 3, 2, 2], [2, 3, 1, 1]),
    convolution("of touching patches", [B, 2, 4, 4], [3, 2, 2, 2], { strides: 2 }),
    convolution("strided, with elements left over", [B, 1, 6, 5], [2, 1, 2, 3], { strides: [3, 2] }),
    convolution("dilated", [B, 2, 6], [2, 2, 3], { dilations: 2 }),
    convolution("strided and dilated", [B, 1, 8, 5], [2, 1, 3, 2], { strides: [2, 1], dilations: [1, 3] }),
    convolution("padded by side", [B, 2, 3, 3], [2, 2, 3, 3], {
      padding: [
        [1, 0],
        [2, 1],
      ],
    }),
    convolution("padded, strided and dilated", [B, 1, 5], [2, 1, 2], {
      padding: 2,
      strides: 3,
      dilations: 2,
    }),
    convolution("in groups", [B, 4, 4], [6, 2, 3], { groups: 2, padding: 1 }),
    convolution("by channel", [B, 3, 4, 3], [3, 1, 3, 3], { groups: 3, padding: 1, strides: 2 }),
    convolution("by channel, two results each", [B, 2, 5], [4, 1, 2], { groups: 2, dilations: 2 }),
  ],
  convTranspose: [
    transposed("of one axis", [B, 3, 3], [3, 2, 3]),
    transposed("of two axes, strided", [B, 2, 2, 2], [2, 3, 2, 2], { strides: 2 }),
    transposed("to larger sizes", [B, 2, 2, 2], [2, 1, 3, 2], { strides: 3, sizes: [8, 6] }),
    transposed("padded by side", [B, 2, 4], [2, 2, 3], { padding: [[1, 2]] }),
    transposed("dilated", [B, 1, 2, 3], [1, 2, 2, 2], { dilations: [2, 1], strides: [1, 2] }),
    transposed("in groups", [B, 4, 3], [4, 2, 2], { groups: 2, strides: 2 }),
    transposed("by channel", [B, 3, 2, 2], [3, 1, 3, 3], {
      groups: 3,
      padding: 1,
      strides: 2,
      sizes: [4, 3],
    }),
  ],
  unfold: [
    { title: "of overlapping windows", inputs: [floats([B, 2, 4, 3])], build: (x) => unfold(x, [3, 2]) },
    {
      title: "padded, strided and dilated",
      inputs: [floats([B, 1, 5, 4])],
      build: (x) =>
        unfold(x, [2, 3], {
          padding: [
            [1, 0],
            [2, 1],
          ],
          strides: [2, 1],
          dilations: [1, 2],
        }),
    },
    {
      title: "of touching windows, row by row",
      inputs: [given([1, 1, 2, 4], [0, 1, 2, 3, 4, 5, 6, 7])],
      build: (x) => unfold(x, [2, 2], { strides: 2 }),
      expected: [0, 2, 1, 3, 4, 6, 5, 7],
    },
    {
      title: "of overlapping windows, row by row",
      inputs: [given([1, 1, 3, 2], [0, 1, 2, 3, 4, 5])],
      build: (x) => unfold(x, [2, 2]),
      expected: [0, 2, 1, 3, 2, 4, 3, 5],
    },
  ],
  fold: [
    {
      title: "of overlapping windows",
      inputs: [floats([B, 2, 6, 4])],
      build: (x) => fold(x, [4, 3], [3, 2]),
    },
    {
      title: "padded, strided and dilated",
      inputs: [floats([B, 1, 4, 9])],
      build: (x) =>
        fold(x, [5, 4], [2, 2], {
          padding: [
            [1, 0],
            [0, 1],
          ],
          strides: [2, 1],
          dilations: [1, 2],
        }),
    },
    {
      title: "adds overlaps",
      inputs: [given([1, 1, 2, 3], [1, 2, 3, 10, 20, 30])],
      build: (x) => fold(x, [4], [2]),
      expected: [1, 12, 23, 30],
    },
    {
      title: "of touching windows undoes unfold",
      inputs: [given([1, 1, 2, 4], [0, 1, 2, 3, 4, 5, 6, 7])],
      build: (x) => fold(unfold(x, [2, 2], { strides: 2 }), [2, 4], [2, 2], { strides: 2 }),
      expected: [0, 1, 2, 3, 4, 5, 6, 7],
    },
  ],
  maxPool: [
    { title: "of touching windows", inputs: [floats([B, 2, 4, 2])], build: (x) => maxPool(x, [2, 2]) },
    {
      title: "of overlapping, padded windows",
      inputs: [floats([B, 1, 5, 4], -3, -1)],
      build: (x) => maxPool(x, [3, 3], { strides: 2, padding: 1 }),
    },
    {
      title: "where padding never wins",
      inputs: [given([1, 1, 3], [-5, -2, -3])],
      build: (x) => maxPool(x, [3], { strides: 1, padding: 1 }),
      expected: [-2, -2, -2],
    },
  ],
  averagePool: [
    { title: "of touching windows", inputs: [floats([B, 2, 4, 2])], build: (x) => averagePool(x, [2, 1]) },
    {
      title: "with padding counted",
      inputs: [given([1, 1, 3], [3, 6, 9])],
      build: (x) => averagePool(x, [3], { strides: 1, padding: 1 }),
      expected: [3, 6, 5],
    },
  ],
  resize: [
    { title: "bilinear, larger", inputs: [floats([B, 2, 2, 3])], build: (x) => resize(x, [3, 5]) },
    { title: "bicubic, larger", inputs: [floats([B, 1, 3, 2])], build: (x) => resize(x, [4, 5], "bicubic") },
    { title: "bicubic, smaller", inputs: [floats([B, 1, 5, 4])], build: (x) => resize(x, [2, 3], "bicubic") },
    { title: "nearest", inputs: [floats([B, 1, 3, 3])], build: (x) => resize(x, [2, 7], "nearest") },
    { title: "of a table's rows", inputs: [floats([3, 2])], build: (x) => resizeAxis(x, 0, 5) },
  ],
};
