import { describe, expect, test } from "vitest";
import { symbol } from "../../tensor/dims.ts";
import type { DType } from "../../tensor/dtype.ts";
import { input, type Node } from "../node.ts";
import { conv, convTranspose } from "./conv.ts";
import { add, broadcastTo, reshape, sum, transpose } from "./core.ts";
import { einsum } from "./einsum.ts";
import { addAlong, gather, gatherPoints, scatterAdd, takeAlong } from "./indexing.ts";
import { exp, isNan } from "./math.ts";
import { matmul } from "./matmul.ts";
import { groupNorm, layerNorm, softmax } from "./norm.ts";
import { averagePool, maxPool } from "./pool.ts";
import { max } from "./reduce.ts";
import { resize, resizeAxis } from "./resize.ts";
import { and, bitXor, where } from "./select.ts";
import { concat, padAxis, slice, split, squeeze } from "./shape.ts";
import { fold, unfold } from "./unfold.ts";

const batch = symbol("batch");
const of = (shape: readonly (number | typeof batch)[], dtype: DType = "float32"): Node =>
  input("x", dtype, shape);
const ids = (shape: readonly number[]): Node => of(shape, "int64");
const row = of([2, 3]);
const image = of([batch, 4, 8, 8]);

const errors: Record<string, [build: () => unknown, message: string][]> = {
  broadcasting: [
    [() => add(row, of([2])), "add: shapes [2, 3] and [2] do not broadcast"],
    [() => add(of([batch, 3]), of([2, 3])), "add: shapes [batch, 3] and [2, 3] do not broadcast"],
    [() => broadcastTo(row, [3, 3]), "broadcastTo: shapes [2, 3] and [3, 3] do not broadcast"],
    [() => broadcastTo(row, [3]), "broadcastTo: [2, 3] does not broadcast to [3]"],
  ],
  dtypes: [
    [
      () => add(row, of([2, 3], "float64")),
      "add: dtypes must match, got float32 and float64; cast one of them",
    ],
    [
      () => matmul(row, of([3, 2], "float64")),
      "matmul: dtypes must match, got float32 and float64; cast one of them",
    ],
    [() => exp(ids([2])), "exp: expected a floating dtype, got int64"],
    [() => isNan(ids([2])), "isNan: expected a floating dtype, got int64"],
    [() => softmax(ids([2])), "softmax: expected a floating dtype, got int64"],
    [() => and(row, row), "and: expected bool, got float32"],
    [() => where(row, row, 0), "where: expected bool, got float32"],
    [() => bitXor(ids([2]), ids([2])), "bitXor: expected an unsigned integer dtype, got int64"],
    [() => concat([row, of([2, 3], "float64")], 0), "concat: dtypes must match"],
    [() => gather(row, row), "gather: indices must be int32 or int64, got float32"],
  ],
  axes: [
    [() => sum(row, 2), "sum: axis 2 is outside a tensor of rank 2"],
    [() => max(row, -3), "max: axis -3 is outside a tensor of rank 2"],
    [() => softmax(row, 0.5), "softmax: axis 0.5 is outside a tensor of rank 2"],
    [() => transpose(row, [0, 0]), "transpose: [0,0] is not a permutation of the axes of [2, 3]"],
    [() => squeeze(row, 0), "squeeze: axis 0 of [2, 3] is not 1"],
  ],
  shapes: [
    [() => reshape(row, [4]), "reshape: [2, 3] and [4] differ in size"],
    [() => reshape(row, [4, -1]), "reshape: [2, 3] has no whole dimension for −1 in [4, -1]"],
    [() => reshape(of([batch, 3]), [-1, 2]), "reshape: [batch, 3] has no whole dimension for −1 in [-1, 2]"],
    [() => slice(row, 1, 0, 4), "slice: 0:4:1 is outside axis 1 of [2, 3]"],
    [() => slice(row, 1, 2, 1), "slice: 2:1:1 is outside axis 1 of [2, 3]"],
    [() => slice(of([batch]), 0, 0, batch, 2), "slice: a step of 2 needs a numeric range, got 0:batch"],
    [() => concat([row, of([2, 4])], 0), "concat: shapes must match outside axis 0, got [2, 3] and [2, 4]"],
    [() => concat([row, of([2])], 1), "concat: shapes must match outside axis 1, got [2, 3] and [2]"],
    [() => split(row, 1, [1, 1]), "split: sizes 1 + 1 do not add up to axis 1 of [2, 3]"],
    [() => padAxis(row, 0, -1, 0), "pad: sizes must not be negative, got -1 and 0"],
    [() => matmul(row, row), "matmul: inner sizes must match, got [2, 3] × [2, 3]"],
    [() => matmul(row, of([3, 2]), { transB: true }), "matmul: inner sizes must match, got [2, 3] × [3, 2]ᵀ"],
    [() => matmul(row, of([3])), "matmul: expected matrices, got [2, 3] × [3]"],
    [() => layerNorm(row, of([2]), of([3]), 1e-5), "layerNorm: scale and shift must be [3], got [2]"],
    [
      () => groupNorm(image, 3, of([4]), of([4]), 1e-5),
      "groupNorm: 3 groups do not divide the channels of [batch, 4, 8, 8]",
    ],
  ],
  indices: [
    [() => gatherPoints(row, ids([2, 3])), "gatherPoints: indices [2, 3] address more axes than [2, 3] has"],
    [() => scatterAdd(row, ids([4, 1]), of([4, 2])), "scatterAdd: updates must be [4, 3], got [4, 2]"],
    [() => takeAlong(row, ids([2])), "takeAlong: ranks must match, got [2, 3] and [2]"],
    [() => addAlong(row, ids([2, 1]), row), "addAlong: updates must be [2, 1], got [2, 3]"],
  ],
  einsum: [
    [
      () => einsum("ij,jk", row, row),
      'einsum: expected an equation like "bhqd,bhkd->bhqk" without repeated letters',
    ],
    [() => einsum("ii,ij->j", row, row), 'without repeated letters, got "ii,ij->j"'],
    [() => einsum("ij,jk->il", row, row), 'without repeated letters, got "ij,jk->il"'],
    [
      () => einsum("ij,jk->ik", row, row),
      'einsum "ij,jk->ik": shapes [2, 3] and [2, 3] do not fit the letters',
    ],
  ],
  windows: [
    [
      () => conv(image, of([2, 3, 3, 3])),
      "conv: [batch, 4, 8, 8] must have 3 channels for a weight of [2, 3, 3, 3] in 1 groups",
    ],
    [
      () => conv(image, of([3, 2, 3, 3]), { groups: 2 }),
      "conv: expected a weight [outputs, inputs / groups, 2 sizes] whose outputs 2 groups divide, got [3, 2, 3, 3]",
    ],
    [() => conv(image, of([2, 4, 3])), "conv: expected a weight [outputs, inputs / groups, 2 sizes]"],
    [
      () => conv(of([2, 4, batch]), of([2, 4, 3])),
      "conv: expected [batch, channels, numeric sizes …], got [2, 4, batch]",
    ],
    [() => conv(image, of([2, 4, 9, 1])), "conv: a window of 9 does not fit 8 elements"],
    [
      () => conv(image, of([2, 4, 3, 3]), { groups: 0 }),
      "conv: groups must be an integer of at least 1, got 0",
    ],
    [
      () => conv(image, of([2, 4, 3, 3]), { strides: [1, 0] }),
      "conv: strides must be 2 integers of at least 1, got [1; 0]",
    ],
    [
      () => conv(image, of([2, 4, 3, 3]), { padding: [[1, 2]] }),
      "conv: padding must be 2 integers of at least 0, got [1,2]",
    ],
    [
      () => convTranspose(of([batch, 2, 3]), of([2, 4, 3]), { strides: 2, sizes: [9] }),
      "convTranspose: for a result of sizes [9] and a weight of [2, 4, 3] expected [batch, 2, 4], got [batch, 2, 3]",
    ],
    [() => unfold(image, [3]), "unfold: a window [3] does not fit 2 spatial axes"],
    [
      () => fold(of([batch, 4, 9, 4]), [3, 3], [2, 2]),
      "fold: expected [batch, channels, 4, 4], got [batch, 4, 9, 4]",
    ],
    [
      () => maxPool(image, [2, 2], { padding: 2 }),
      "maxPool: padding [2,2; 2,2] is more than half of a window [2,2]",
    ],
    [() => averagePool(image, [9, 9]), "averagePool: a window of 9 does not fit 8 elements"],
    [() => resize(image, [4]), "resize: expected 2 sizes, got [4]"],
    [() => resize(image, [4, 0]), "resize: sizes must be positive integers, got 8 → 0 on axis 3"],
    [() => resizeAxis(of([batch]), 0, 4), "resize: sizes must be positive integers, got batch → 4 on axis 0"],
  ],
};

describe("shape rules say what does not fit", () => {
  const rows = Object.values(errors).flat();
  test.each(rows.map(([build, message]) => [message, build] as const))("%s", (message, build) => {
    expect(build).toThrow(message);
  });
});
