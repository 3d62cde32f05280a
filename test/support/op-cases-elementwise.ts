/** Cases of elementwise ops: arithmetic, functions, activations, comparisons, casts. */

import type { Node } from "../../src/graph/node.ts";
import { gelu, geluTanh, quickGelu } from "../../src/graph/ops/activation.ts";
import { add, div, mul, neg, sub } from "../../src/graph/ops/core.ts";
import * as math from "../../src/graph/ops/math.ts";
import * as select from "../../src/graph/ops/select.ts";
import { B, bools, type CaseInput, type CaseTable, floats, given, ints, type OpCase, T } from "./op-cases.ts";

type Unary = (x: Node) => Node;
type Binary = (a: Node, b: Node) => Node;

/** One function of one value, on a range that keeps away from its kinks. */
const unary = (build: Unary, low = -2, high = 2): OpCase[] => [
  { title: `on (${low}, ${high})`, inputs: [floats([B, 4], low, high)], build },
];

/** One function of two values, with every way of broadcasting. */
const binary = (build: Binary, low = -2, high = 2, lowRight = low): OpCase[] => {
  const pair = (title: string, a: CaseInput["shape"], b: CaseInput["shape"]): OpCase => ({
    title,
    inputs: [floats(a, low, high), floats(b, lowRight, high)],
    build,
  });
  return [
    pair("of one shape", [B, T], [B, T]),
    pair("with a row", [B, T, 2], [2]),
    pair("with a column", [B, 3], [B, 1]),
    pair("with the left side repeated", [1, 3], [B, 3]),
    pair("with both sides repeated", [B, 1, 2], [T, 1]),
    pair("with a scalar", [], [B, 2]),
    {
      title: "of a value with itself",
      inputs: [floats([B, 2], Math.max(low, lowRight), high)],
      build: (x) => build(x, math.sin(x)),
    },
  ];
};

/** Given values and results: for functions without a gradient. */
const values = (
  title: string,
  inputs: readonly CaseInput[],
  build: OpCase["build"],
  expected: readonly number[],
): OpCase => ({ title, inputs, build, expected });

const comparison = (build: Binary, expected: readonly number[]): OpCase[] => [
  values("with a row", [given([B, 3], [1, 2, 3, 4, 5, 6]), given([3], [4, 2, 3])], build, expected),
  values("of integers", [ints([B, 3], [1, 2, 3, 4, 5, 6]), ints([3], [4, 2, 3])], build, expected),
];

const logic = (build: Binary, expected: readonly number[]): OpCase[] => [
  values("with a column", [bools([B, 2], [0, 0, 1, 1]), bools([B, 1], [0, 1])], build, expected),
];

const bitwise = (build: Binary, expected: readonly number[]): OpCase[] => [
  values("on uint32", [ints([B], [0xdeadbeef, 13], "uint32"), ints([], [7], "uint32")], build, expected),
];

export const arithmeticCases: CaseTable = {
  add: binary(add),
  sub: binary(sub),
  mul: binary(mul),
  div: [
    ...binary(div, 0.5, 2),
    values("of integers, towards zero", [ints([B], [7, -7]), ints([], [2])], div, [3, -3]),
  ],
  neg: unary(neg),
  pow: [
    ...binary(math.pow, 0.5, 2, -2),
    { title: "with a number", inputs: [floats([B, 2], 0.2, 2)], build: (x) => math.pow(x, 3) },
    { title: "of negative bases", inputs: [floats([B, 2], -2, -0.2)], build: (x) => math.pow(x, 2) },
  ],
  mod: [
    values(
      "of floats, with the divisor's sign",
      [given([4], [5.5, -5.5, 5.5, -5.5]), given([4], [2, 2, -2, -2])],
      math.mod,
      [1.5, 0.5, -0.5, -1.5],
    ),
    values("of integers", [ints([B], [7, -7]), ints([], [3])], math.mod, [1, 2]),
    { title: "away from jumps", inputs: [floats([B, 3], 3.1, 3.9), floats([3], 0.9, 1)], build: math.mod },
  ],
  maximum: binary(math.maximum),
  minimum: binary(math.minimum),
};

export const functionCases: CaseTable = {
  exp: unary(math.exp),
  log: unary(math.log, 0.2, 3),
  sqrt: unary(math.sqrt, 0.2, 3),
  reciprocal: [...unary(math.reciprocal, 0.3, 2), ...unary(math.reciprocal, -2, -0.3)],
  tanh: unary(math.tanh),
  sigmoid: unary(math.sigmoid, -4, 4),
  sin: unary(math.sin),
  cos: unary(math.cos),
  abs: unary(math.abs),
  relu: [...unary(math.relu), values("at the kink", [given([3], [-1, 0, 2])], math.relu, [0, 0, 2])],
  erf: [
    ...unary(math.erf, -3, 3),
    values(
      "against tabulated values",
      [given([5], [-0.5, 0, 0.1, 1, 3])],
      math.erf,
      [-0.5204998778130465, 0, 0.1124629160182849, 0.8427007929497149, 0.9999779095030014],
    ),
  ],
  stopGradient: [values("as they are", [given([B, 2], [-2, 0, 0.5, 3])], math.stopGradient, [-2, 0, 0.5, 3])],
  sign: [values("of each sign", [given([B, 2], [-2, 0, 0.5, 3])], math.sign, [-1, 0, 1, 1])],
  floor: [values("of each sign", [given([B, 2], [-1.5, -0.5, 0.5, 2])], math.floor, [-2, -1, 0, 2])],
  ceil: [values("of each sign", [given([B, 2], [-1.5, -0.5, 0.5, 2])], math.ceil, [-1, 0, 1, 2])],
  round: [values("halves to even", [given([B, 2], [-1.5, 0.5, 1.5, 2.6])], math.round, [-2, 0, 2, 3])],
  isNan: [values("of each kind", [given([B, 2], [Number.NaN, 0, 1, -1])], math.isNan, [1, 0, 0, 0])],
  isFiniteValue: [
    values(
      "of each kind",
      [given([B, 2], [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30])],
      math.isFiniteValue,
      [0, 0, 0, 1],
    ),
  ],
  clip: [
    ...unary((x) => math.clip(x, -0.5, 0.7)),
    values("on both sides", [given([3], [-3, 0.25, 9])], (x) => math.clip(x, -1, 2), [-1, 0.25, 2]),
  ],
  square: unary(math.square),
  rsqrt: unary(math.rsqrt, 0.3, 2),
  softplus: [
    ...unary(math.softplus, -4, 4),
    values("without overflow", [given([2], [1000, -1000])], math.softplus, [1000, 0]),
  ],
  silu: unary(math.silu),
  leakyRelu: unary((x) => math.leakyRelu(x, 0.1)),
  gelu: [
    ...unary(gelu, -3, 3),
    values(
      "against tabulated values",
      [given([4], [-1, 0, 0.5, 2])],
      gelu,
      [-0.15865525393145707, 0, 0.34573123063700656, 1.9544997361036416],
    ),
  ],
  geluTanh: unary(geluTanh, -3, 3),
  quickGelu: unary(quickGelu, -3, 3),
};

export const selectCases: CaseTable = {
  cast: [
    {
      title: "through float32 and back",
      inputs: [floats([B, 3])],
      build: (x) => select.cast(select.cast(mul(x, 2), "float32"), x.dtype),
      step: 1e-2,
      tolerance: 1e-4,
    },
    values(
      "towards zero",
      [given([B, 2], [-1.7, -0.2, 0.9, 2.5])],
      (x) => select.cast(x, "int64"),
      [-1, 0, 0, 2],
    ),
    values("of booleans", [bools([B], [1, 0])], (x) => select.cast(x, "float32"), [1, 0]),
  ],
  equal: comparison(select.equal, [0, 1, 1, 1, 0, 0]),
  notEqual: comparison(select.notEqual, [1, 0, 0, 0, 1, 1]),
  less: comparison(select.less, [1, 0, 0, 0, 0, 0]),
  lessEqual: comparison(select.lessEqual, [1, 1, 1, 1, 0, 0]),
  greater: comparison(select.greater, [0, 0, 0, 0, 1, 1]),
  greaterEqual: comparison(select.greaterEqual, [0, 1, 1, 1, 1, 1]),
  and: logic(select.and, [0, 0, 1, 1]),
  or: logic(select.or, [0, 0, 1, 1]),
  not: [values("of each", [bools([B], [1, 0])], select.not, [0, 1])],
  where: [
    {
      title: "of two values",
      inputs: [bools([B, 3], [1, 0, 1, 0, 0, 1]), floats([B, 3]), floats([B, 3])],
      build: select.where,
    },
    {
      title: "with everything repeated",
      inputs: [bools([B, 1, 1], [1, 0]), floats([T, 1]), floats([2])],
      build: select.where,
    },
    {
      title: "with numbers",
      inputs: [bools([3], [1, 0, 1]), floats([B, 3])],
      build: (condition, x) => add(select.where(condition, x, -2), select.where(condition, 3, x)),
    },
  ],
  bitXor: bitwise(select.bitXor, [0xdeadbee8, 10]),
  bitAnd: bitwise(select.bitAnd, [7, 5]),
  shiftRight: bitwise(select.shiftRight, [0x01bd5b7d, 0]),
  shiftLeft: bitwise(select.shiftLeft, [0x56df7780, 1664]),
};
