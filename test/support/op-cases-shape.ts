/** Cases of ops that move elements: shapes, cuts, joins, indices, masks, counters. */

import { scalar } from "../../src/graph/node.ts";
import * as core from "../../src/graph/ops/core.ts";
import * as indexing from "../../src/graph/ops/indexing.ts";
import { causalMask } from "../../src/graph/ops/mask.ts";
import { dropout } from "../../src/graph/ops/random.ts";
import * as shape from "../../src/graph/ops/shape.ts";
import { unstack } from "../../src/graph/ops/unstack.ts";
import { addDims, mulDims } from "../../src/tensor/dims.ts";
import { B, type CaseTable, floats, ints, T } from "./op-cases.ts";

export const shapeCases: CaseTable = {
  reshape: [
    { title: "joins axes", inputs: [floats([B, T, 2])], build: (x) => core.reshape(x, [-1, 2]) },
    {
      title: "splits an axis",
      inputs: [floats([B, 6])],
      build: (x) => core.reshape(x, [x.shape[0]!, 2, -1]),
    },
    {
      title: "keeps two symbols apart",
      inputs: [floats([B, T, 4])],
      build: (x) => core.reshape(x, [x.shape[0]!, x.shape[1]!, 2, 2]),
    },
    {
      title: "of no elements' axes to a scalar",
      inputs: [floats([1, 1])],
      build: (x) => core.reshape(x, []),
    },
  ],
  broadcastTo: [
    {
      title: "repeats an axis of one and adds axes",
      inputs: [floats([3, 1]), floats([B, 1])],
      build: (x, like) => [core.broadcastTo(x!, [like!.shape[0]!, 3, 2]), like!],
    },
    {
      title: "of a scalar",
      inputs: [floats([]), floats([B, T])],
      build: (x, like) => [core.broadcastTo(x!, like!.shape), like!],
    },
  ],
  transpose: [
    { title: "reverses by default", inputs: [floats([B, T, 2])], build: (x) => core.transpose(x) },
    {
      title: "in a given order",
      inputs: [floats([B, T, 2, 2])],
      build: (x) => core.transpose(x, [0, 2, -1, 1]),
    },
  ],
  dimValue: [
    {
      title: "of an expression",
      inputs: [floats([B, T])],
      build: (x) =>
        core.add(
          core.dimValue(x.dtype, addDims(mulDims(x.shape[0]!, x.shape[1]!), 1)),
          core.sum(core.mul(x, 0)),
        ),
      expected: [7],
    },
  ],
  slice: [
    { title: "of a range", inputs: [floats([B, 5])], build: (x) => shape.slice(x, 1, 1, 4) },
    { title: "from the end", inputs: [floats([B, 5])], build: (x) => shape.slice(x, -1, -3, -1) },
    {
      title: "with a step that ends on the last",
      inputs: [floats([B, 5])],
      build: (x) => shape.slice(x, 1, 0, 5, 2),
    },
    { title: "with a step past the end", inputs: [floats([B, 6])], build: (x) => shape.slice(x, 1, 1, 6, 3) },
    {
      title: "with a step that leaves a rest",
      inputs: [floats([B, 8])],
      build: (x) => shape.slice(x, 1, 0, 6, 2),
    },
    { title: "of a symbolic axis", inputs: [floats([T, 2])], build: (x) => shape.slice(x, 0, 1) },
  ],
  flip: [
    {
      title: "of each axis",
      inputs: [floats([B, T])],
      build: (x) => core.add(shape.flip(x, 0), shape.flip(x, -1)),
    },
  ],
  concat: [
    {
      title: "of three along a symbolic axis",
      inputs: [floats([B, 2]), floats([T, 2]), floats([1, 2])],
      build: (...inputs) => shape.concat(inputs, 0),
    },
    {
      title: "of one value twice",
      inputs: [floats([B, 2]), floats([B, 3])],
      build: (a, b) => shape.concat([a!, b!, a!], -1),
    },
  ],
  stack: [
    {
      title: "on a new last axis",
      inputs: [floats([B]), floats([B])],
      build: (a, b) => shape.stack([a!, b!], 1),
    },
  ],
  unstack: [
    {
      title: "of the first axis",
      inputs: [floats([3, B, 2])],
      build: (x) => unstack(x, 0).map((part, at) => core.mul(part, at + 1)),
    },
    {
      title: "gives zeros to parts that are not used",
      inputs: [floats([B, 3])],
      build: (x) => unstack(x, -1)[1]!,
    },
  ],
  split: [
    {
      title: "into three parts",
      inputs: [floats([B, 6])],
      build: (x) => shape.split(x, 1, [1, 3, 2]),
    },
  ],
  pad: [
    { title: "with zeros on both sides", inputs: [floats([B, 3])], build: (x) => shape.padAxis(x, 1, 1, 2) },
    { title: "with a value, before", inputs: [floats([B, 2])], build: (x) => shape.padAxis(x, 0, 2, 0, -3) },
    {
      title: "by a symbolic amount",
      inputs: [floats([B, T])],
      build: (x) => shape.padAxis(x, 1, 0, x.shape[0]!),
    },
  ],
  dilate: [{ title: "by three", inputs: [floats([B, 2])], build: (x) => shape.dilate(x, 1, 3) }],
  roll: [
    { title: "forwards", inputs: [floats([B, 4])], build: (x) => shape.roll(x, 1, 1) },
    { title: "backwards, past the size", inputs: [floats([B, 4])], build: (x) => shape.roll(x, -1, -5) },
    { title: "of a symbolic axis", inputs: [floats([T, 2])], build: (x) => shape.roll(x, 0, 1) },
  ],
  tile: [{ title: "twice", inputs: [floats([B, 2])], build: (x) => shape.tile(x, 1, 2) }],
  repeat: [{ title: "of each element", inputs: [floats([B, 2])], build: (x) => shape.repeat(x, 1, 3) }],
  swapAxes: [{ title: "of two axes", inputs: [floats([B, 2, T])], build: (x) => shape.swapAxes(x, 0, -1) }],
  squeeze: [
    {
      title: "undoes unsqueeze",
      inputs: [floats([B, 2])],
      build: (x) => shape.squeeze(core.mul(shape.unsqueeze(x, 1), 2), 1),
    },
  ],
  iota: [
    {
      title: "of a symbolic size",
      inputs: [floats([T])],
      build: (x) => [shape.iota(x.shape[0]!), core.add(x, shape.iota(x.shape[0]!, x.dtype))],
      expected: [0, 1, 2],
    },
  ],
};

export const indexingCases: CaseTable = {
  gather: [
    {
      title: "of rows, some repeatedly",
      inputs: [floats([4, 2]), ints([B, T], [0, 3, 0, 1, 0, 3])],
      build: (x, indices) => indexing.gather(x, indices),
    },
    {
      title: "along the last axis",
      inputs: [floats([B, 3]), ints([4], [2, 0, 0, 1], "int32")],
      build: (x, indices) => indexing.gather(x, indices, -1),
    },
    {
      title: "along a middle axis",
      inputs: [floats([B, 3, 2]), ints([2, 2], [2, 1, 2, 0])],
      build: (x, indices) => indexing.gather(x, indices, 1),
    },
    {
      title: "of one row",
      inputs: [floats([B, T, 2])],
      build: (x) => indexing.gather(x, scalar(0, "int64"), 1),
    },
  ],
  addRows: [
    {
      title: "adds repeated rows",
      inputs: [floats([B, T, 2]), ints([B, T], [0, 3, 0, 1, 0, 3])],
      build: (x, indices) => indexing.addRows(x, indices, 0, 4),
    },
    {
      title: "on a later axis",
      inputs: [floats([B, 3]), ints([3], [1, 1, 0])],
      build: (x, indices) => indexing.addRows(x, indices, 1, 4),
    },
  ],
  gatherPoints: [
    {
      title: "of rows at two indices",
      inputs: [floats([B, T, 2]), ints([3, 2], [0, 1, 1, 2, 0, 1])],
      build: indexing.gatherPoints,
    },
    {
      title: "of elements",
      inputs: [floats([B, 3]), ints([2, 2], [0, 2, 1, 0], "int32")],
      build: indexing.gatherPoints,
    },
  ],
  scatterAdd: [
    {
      title: "of rows, some repeatedly",
      inputs: [floats([3, 2]), ints([B, 1], [2, 2]), floats([B, 2])],
      build: indexing.scatterAdd,
    },
    {
      title: "of elements",
      inputs: [floats([B, 3]), ints([3, 2], [0, 2, 1, 0, 0, 2], "int32"), floats([3])],
      build: indexing.scatterAdd,
    },
  ],
  takeAlong: [
    {
      title: "along the last axis",
      inputs: [floats([B, 4]), ints([B, 1], [3, 0])],
      build: (x, indices) => indexing.takeAlong(x, indices),
    },
    {
      title: "along the first, repeatedly",
      inputs: [floats([3, 2]), ints([4, 2], [0, 2, 0, 2, 1, 1, 0, 0])],
      build: (x, indices) => indexing.takeAlong(x, indices, 0),
    },
  ],
  addAlong: [
    {
      title: "with repeated indices",
      inputs: [floats([B, 3]), ints([B, 2], [1, 1, 2, 0]), floats([B, 2])],
      build: (base, indices, updates) => indexing.addAlong(base, indices, updates),
    },
    {
      title: "along the first axis",
      inputs: [floats([3, 2]), ints([1, 2], [2, 0]), floats([1, 2])],
      build: (base, indices, updates) => indexing.addAlong(base, indices, updates, 0),
    },
  ],
  topK: [
    {
      title: "of the last axis",
      inputs: [floats([B, 5])],
      build: (x) => [indexing.topK(x, 2).values, indexing.topK(x, 2).indices],
    },
    { title: "of the first axis", inputs: [floats([4, 2])], build: (x) => indexing.topK(x, 3, 0).values },
  ],
  oneHot: [
    {
      title: "of class numbers",
      inputs: [ints([B], [2, 0])],
      build: (x) => indexing.oneHot(x, 3),
      expected: [0, 0, 1, 1, 0, 0],
    },
  ],
  causalMask: [
    {
      title: "of equal lengths",
      inputs: [floats([T])],
      build: (x) => [causalMask(x.shape[0]!), x],
      expected: [1, 0, 0, 1, 1, 0, 1, 1, 1],
    },
    {
      title: "where the queries are the last keys",
      inputs: [floats([B]), floats([T])],
      build: (queries, keys) => [causalMask(queries!.shape[0]!, keys!.shape[0]!), queries!, keys!],
      expected: [1, 1, 0, 1, 1, 1],
    },
  ],
  dropout: [
    {
      title: "with a fixed key",
      inputs: [floats([B, T, 3], 0.5, 1)],
      build: (x) => dropout(x, scalar(17, "uint32"), 0.4),
    },
  ],
};
