/** Reading and adding at computed positions. Indices are int32 or int64 and must lie inside the axis. */

import { ShapeError } from "../../errors.ts";
import { type Dim, equalShapes, normaliseAxis, productOf, type Shape, showShape } from "../../tensor/dims.ts";
import type { DType } from "../../tensor/dtype.ts";
import { defineOp, type Node, type OpFunction, sameDType } from "../node.ts";
import { lowerThrough } from "../onnx/lower.ts";
import { add, broadcastTo, dimValue, mul, reshape, transpose, zeros } from "./core.ts";
import { cast, equal, notEqual } from "./select.ts";
import { iota, slice, unsqueeze } from "./shape.ts";

function requireIndices(where: string, indices: Node): void {
  if (indices.dtype !== "int64" && indices.dtype !== "int32") {
    throw new ShapeError(`${where}: indices must be int32 or int64, got ${indices.dtype}`);
  }
}

interface GatherAttrs {
  readonly axis: number;
  /** An index whose row gets no gradient, such as that of padding. */
  readonly frozenIndex?: number | undefined;
}

const gatherOp = defineOp<GatherAttrs>("gather", {
  infer: ([x, indices], { axis }) => {
    requireIndices("gather", indices!);
    return [
      {
        dtype: x!.dtype,
        shape: [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)],
      },
    ];
  },
  lower: (onnx, inputs, { attrs: { axis } }) => onnx.node("Gather", inputs, { axis }),
  quantize: ({ inputs: [x, indices], attrs: { axis } }, at, weight) =>
    at === 0 && axis === 0 && x!.rank === 2 ? weight.rows(indices!) : undefined,
  // Rows that were read several times get the sum of their gradients.
  vjp: ({ inputs: [x, indices], grads, attrs: { axis, frozenIndex } }) => {
    const dy = frozenIndex === undefined ? grads[0] : dropIndex(grads[0], indices!, axis, frozenIndex);
    return [addRows(dy, indices!, axis, x!.shape[axis]!), null];
  },
});

/** The gradient with zeros where `indices`, which lie at `axis` of it, hold `index`. */
function dropIndex(gradient: Node, indices: Node, axis: number, index: number): Node {
  const ones = Array.from({ length: gradient.rank - axis - indices.rank }, () => 1);
  const isKept = reshape(notEqual(indices, index), [...indices.shape, ...ones]);
  return mul(gradient, cast(isKept, gradient.dtype));
}

/** The order that moves `count` axes at `axis` to the front. */
const moveAxes = (rank: number, axis: number, count: number): number[] => {
  const axes = Array.from({ length: rank }, (_, at) => at);
  const moved = axes.splice(axis, count);
  return [...moved, ...axes];
};

/** The order that puts the first axis at position `axis`. */
const insertAxis = (rank: number, axis: number): number[] =>
  Array.from({ length: rank - 1 }, (_, at) => at + 1).toSpliced(axis, 0, 0);

/**
 * x at `indices` along one axis, which the indices' dimensions replace. x [V, D], indices [B, T] → [B, T, D].
 * The row at `frozenIndex` gets no gradient.
 */
export const gather = (x: Node, indices: Node, axis = 0, frozenIndex?: number): Node =>
  gatherOp(x, indices, { axis: normaliseAxis(axis, x.rank, "gather"), frozenIndex });

/**
 * The reverse of `gather`: the dimensions of `indices`, found at `axis` of x, become one axis of `size` on which x is
 * added up. x [B, T, D], indices [B, T] → [V, D].
 */
export function addRows(x: Node, indices: Node, axis: number, size: Dim): Node {
  const updates = transpose(x, moveAxes(x.rank, axis, indices.rank));
  const base = zeros(x.dtype, [size, ...updates.shape.slice(indices.rank)]);
  const summed = scatterAdd(base, unsqueeze(indices, -1), updates);
  return transpose(summed, insertAxis(summed.rank, axis));
}

/** Row shape of an N-d gather or scatter: indices [..., K] address the first K axes of x. */
function pointShape(where: string, x: Node, indices: Node): Shape {
  requireIndices(where, indices);
  const depth = indices.shape.at(-1);
  if (typeof depth !== "number" || depth > x.rank) {
    throw new ShapeError(
      `${where}: indices ${showShape(indices.shape)} address more axes than ${showShape(x.shape)} has`,
    );
  }
  return [...indices.shape.slice(0, -1), ...x.shape.slice(depth)];
}

/** x at points: indices [..., K] address the first K axes. x [B, T, D], indices [N, 2] → [N, D]. */
export const gatherPoints: OpFunction = defineOp("gatherPoints", {
  infer: ([x, indices]) => [{ dtype: x!.dtype, shape: pointShape("gatherPoints", x!, indices!) }],
  lower: (onnx, [x, indices], { inputs }) => onnx.node("GatherND", [x!, asInt64(inputs[1]!, indices!, onnx)]),
  vjp: ({ inputs: [x, indices], grads: [dy] }) => [scatterAdd(zeros(dy.dtype, x!.shape), indices!, dy), null],
});

const asInt64 = (node: Node, name: string, onnx: { cast(value: string, to: DType): string }): string =>
  node.dtype === "int64" ? name : onnx.cast(name, "int64");

/** base with `updates` added at points: base [V, D], indices [..., 1], updates [..., D]. Points may repeat. */
export const scatterAdd: OpFunction = defineOp("scatterAdd", {
  infer: ([base, indices, updates]) => {
    const expected = pointShape("scatterAdd", base!, indices!);
    if (!equalShapes(expected, updates!.shape)) {
      throw new ShapeError(
        `scatterAdd: updates must be ${showShape(expected)}, got ${showShape(updates!.shape)}`,
      );
    }
    return [{ dtype: sameDType("scatterAdd", [base!, updates!]), shape: base!.shape }];
  },
  lower: (onnx, names, call) =>
    lowerThrough(onnx, names, call, (base, indices, updates) => addPoints(base!, indices!, updates!)),
  vjp: ({ inputs: [, indices], grads: [dy] }) => [dy, null, gatherPoints(dy, indices!)],
});

/**
 * `scatterAdd` by ScatterElements over row-major positions: ONNX Runtime's ScatterND adds to one point from several
 * threads at once and loses sums where points repeat; its ScatterElements is serial, exact and as fast.
 */
function addPoints(base: Node, indices: Node, updates: Node): Node {
  const depth = indices.shape.at(-1) as number;
  const count = productOf(indices.shape.slice(0, -1));
  const width = productOf(base.shape.slice(depth));
  const column = (axis: number): Node => reshape(slice(indices, -1, axis, axis + 1), [count, 1]);
  let position = column(0);
  for (let axis = 1; axis < depth; axis++) {
    position = add(mul(position, dimValue(indices.dtype, base.shape[axis]!)), column(axis));
  }
  const rows = reshape(base, [productOf(base.shape.slice(0, depth)), width]);
  const added = addAlong(rows, broadcastTo(position, [count, width]), reshape(updates, [count, width]), 0);
  return reshape(added, base.shape);
}

const requireSameRank = (where: string, x: Node, indices: Node): void => {
  requireIndices(where, indices);
  if (x.rank !== indices.rank) {
    throw new ShapeError(
      `${where}: ranks must match, got ${showShape(x.shape)} and ${showShape(indices.shape)}`,
    );
  }
};

const takeOp = defineOp<{ readonly axis: number }>("takeAlong", {
  infer: ([x, indices]) => {
    requireSameRank("takeAlong", x!, indices!);
    return [{ dtype: x!.dtype, shape: indices!.shape }];
  },
  lower: (onnx, inputs, { attrs: { axis } }) => onnx.node("GatherElements", inputs, { axis }),
  vjp: ({ inputs: [x, indices], grads: [dy], attrs: { axis } }) => [
    addAlong(zeros(dy.dtype, x!.shape), indices!, dy, axis),
    null,
  ],
});

/** One element of x per element of `indices` (of the same rank) along an axis: logits [N, C], labels [N, 1] → [N, 1]. */
export const takeAlong = (x: Node, indices: Node, axis = -1): Node =>
  takeOp(x, indices, { axis: normaliseAxis(axis, x.rank, "takeAlong") });

const addAlongOp = defineOp<{ readonly axis: number }>("addAlong", {
  infer: ([base, indices, updates]) => {
    requireSameRank("addAlong", base!, indices!);
    if (!equalShapes(indices!.shape, updates!.shape)) {
      throw new ShapeError(
        `addAlong: updates must be ${showShape(indices!.shape)}, got ${showShape(updates!.shape)}`,
      );
    }
    return [{ dtype: sameDType("addAlong", [base!, updates!]), shape: base!.shape }];
  },
  lower: (onnx, inputs, { attrs: { axis } }) =>
    onnx.node("ScatterElements", inputs, { axis, reduction: "add" }),
  vjp: ({ inputs: [, indices], grads: [dy], attrs: { axis } }) => [dy, null, takeAlong(dy, indices!, axis)],
});

/** base with `updates` added at `indices` along an axis; the inverse reading of `takeAlong`. */
export const addAlong = (base: Node, indices: Node, updates: Node, axis = -1): Node =>
  addAlongOp(base, indices, updates, { axis: normaliseAxis(axis, base.rank, "addAlong") });

interface TopKAttrs {
  readonly k: number;
  readonly axis: number;
}

const topKOp = defineOp<TopKAttrs>("topK", {
  infer: ([x], { k, axis }) => {
    const shape = x!.shape.with(axis, k);
    return [
      { dtype: x!.dtype, shape },
      { dtype: "int64", shape },
    ];
  },
  lower: (onnx, [x], { attrs: { k, axis } }) =>
    onnx.multi("TopK", [x!, onnx.int64s([k])], { axis }, { outputs: 2 }),
  vjp: ({ inputs: [x], outputs: [, indices], grads: [dy], attrs: { axis } }) => [
    addAlong(zeros(dy.dtype, x!.shape), indices!, dy, axis),
  ],
});

/** The k largest elements along an axis, in falling order, and their int64 indices. */
export function topK(x: Node, k: number, axis = -1): { values: Node; indices: Node } {
  const [values, indices] = topKOp(x, { k, axis: normaliseAxis(axis, x.rank, "topK") }).call.outputs;
  return { values: values!, indices: indices! };
}

/** 1 at each index along a new last axis, 0 elsewhere. */
export const oneHot = (indices: Node, depth: Dim, dtype: DType = "float32"): Node =>
  cast(equal(unsqueeze(indices, -1), iota(depth, indices.dtype)), dtype);
