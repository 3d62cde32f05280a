/** Cutting, joining, padding and repeating tensors. Negative axes count from the end. */

import { ShapeError } from "../../errors.ts";
import {
  addDims,
  type Dim,
  equalDims,
  equalShapes,
  mulDims,
  normaliseAxis,
  showShape,
  subDims,
} from "../../tensor/dims.ts";
import type { DType } from "../../tensor/dtype.ts";
import { type Call, defineOp, type Node, sameDType, zeroGrad } from "../node.ts";
import { broadcastTo, reshape, transpose } from "./core.ts";

export interface SliceAttrs {
  readonly axis: number;
  readonly start: Dim;
  readonly end: Dim;
  readonly step: number;
}

const sliceOp = defineOp<SliceAttrs>("slice", {
  infer: ([x], { axis, start, end, step }) => {
    const span = subDims(end, start);
    if (typeof span !== "number" && step !== 1) {
      throw new ShapeError(`slice: a step of ${step} needs a numeric range, got ${start}:${end}`);
    }
    const size = typeof span === "number" ? Math.ceil(span / step) : span;
    return [{ dtype: x!.dtype, shape: x!.shape.with(axis, size) }];
  },
  lower: (onnx, [x], { attrs: { axis, start, end, step } }) =>
    onnx.node("Slice", [x!, onnx.dim(start), onnx.dim(end), onnx.int64s([axis]), onnx.int64s([step])]),
  vjp: ({ inputs: [x], grads: [dy], attrs: { axis, start, step } }) => {
    const spread = dilate(dy, axis, step);
    const rest = subDims(subDims(x!.shape[axis]!, start), spread.shape[axis]!);
    if (typeof rest === "number" && rest < 0) {
      // The zeros after the last element would reach past the end.
      return [padAxis(slice(spread, axis, 0, addDims(spread.shape[axis]!, rest)), axis, start, 0)];
    }
    return [padAxis(spread, axis, start, rest)];
  },
});

/**
 * The elements start, start + step, … before `end` of one axis. Negative numbers count from the end.
 * @throws ShapeError when the range is outside the axis.
 */
export function slice(x: Node, axis: number, start: Dim, end?: Dim, step = 1): Node {
  const at = normaliseAxis(axis, x.rank, "slice");
  const size = x.shape[at]!;
  const fromEnd = (dim: Dim): Dim => (typeof dim === "number" && dim < 0 ? addDims(size, dim) : dim);
  const [low, high] = [fromEnd(start), fromEnd(end ?? size)];
  const isOutside =
    (typeof low === "number" && low < 0) ||
    (typeof high === "number" && typeof size === "number" && high > size) ||
    (typeof low === "number" && typeof high === "number" && low > high);
  if (isOutside || step < 1) {
    throw new ShapeError(
      `slice: ${start}:${end ?? ""}:${step} is outside axis ${axis} of ${showShape(x.shape)}`,
    );
  }
  const isWhole = step === 1 && low === 0 && equalDims(high, size);
  return isWhole ? x : sliceOp(x, { axis: at, start: low, end: high, step });
}

/** Whether a call is a slice. */
export const isSlice = (call: Call): call is Call<SliceAttrs> => call.op.name === "slice";

/** Puts step − 1 zeros after every element of one axis: size n becomes n × step. */
export function dilate(x: Node, axis: number, step: number): Node {
  if (step === 1) return x;
  const at = normaliseAxis(axis, x.rank, "dilate");
  const apart = reshape(x, [...x.shape.slice(0, at + 1), 1, ...x.shape.slice(at + 1)]);
  return reshape(padAxis(apart, at + 1, 0, step - 1), x.shape.with(at, mulDims(x.shape[at]!, step)));
}

const flipOp = defineOp<{ readonly axis: number }>("flip", {
  infer: ([x]) => [x!],
  lower: (onnx, [x], { attrs: { axis } }) =>
    onnx.node("Slice", [
      x!,
      onnx.int64s([-1]),
      onnx.int64s([Number.MIN_SAFE_INTEGER]),
      onnx.int64s([axis]),
      onnx.int64s([-1]),
    ]),
  vjp: ({ grads: [dy], attrs: { axis } }) => [flip(dy, axis)],
});

/** Reverses the order along one axis. */
export const flip = (x: Node, axis: number): Node => flipOp(x, { axis: normaliseAxis(axis, x.rank, "flip") });

const concatOp = defineOp<{ readonly axis: number }>("concat", {
  infer: (inputs, { axis }) => {
    const [first] = inputs;
    const odd = inputs.find(
      (node) =>
        node.rank !== first!.rank || !equalShapes(node.shape.with(axis, 0), first!.shape.with(axis, 0)),
    );
    if (odd) {
      throw new ShapeError(
        `concat: shapes must match outside axis ${axis}, got ${showShape(first!.shape)} and ${showShape(odd.shape)}`,
      );
    }
    const size = inputs.reduce<Dim>((total, node) => addDims(total, node.shape[axis]!), 0);
    return [{ dtype: sameDType("concat", inputs), shape: first!.shape.with(axis, size) }];
  },
  lower: (onnx, inputs, { attrs: { axis } }) => onnx.node("Concat", inputs, { axis }),
  narrow: ({ inputs, attrs: { axis: joined } }, { axis, of }) =>
    axis === joined
      ? undefined
      : concat(
          inputs.map((node) => of(node, axis)),
          joined,
        ),
  vjp: ({ inputs, grads: [dy], attrs: { axis } }) => {
    let offset: Dim = 0;
    return inputs.map((node) => {
      const start = offset;
      offset = addDims(start, node.shape[axis]!);
      return slice(dy, axis, start, offset);
    });
  },
});

/** Joins along an existing axis. @throws ShapeError when the other dimensions differ. */
export const concat = (nodes: readonly Node[], axis: number): Node =>
  nodes.length === 1
    ? nodes[0]!
    : concatOp(...nodes, { axis: normaliseAxis(axis, nodes[0]!.rank, "concat") });

/** Joins along a new axis. */
export const stack = (nodes: readonly Node[], axis = 0): Node =>
  concat(
    nodes.map((node) => unsqueeze(node, axis)),
    axis,
  );

/** Cuts one axis into parts of the given sizes. @throws ShapeError unless the sizes add up to the axis. */
export function split(x: Node, axis: number, sizes: readonly Dim[]): Node[] {
  const at = normaliseAxis(axis, x.rank, "split");
  const total = sizes.reduce<Dim>(addDims, 0);
  if (!equalDims(total, x.shape[at]!)) {
    throw new ShapeError(
      `split: sizes ${sizes.join(" + ")} do not add up to axis ${axis} of ${showShape(x.shape)}`,
    );
  }
  let offset: Dim = 0;
  return sizes.map((size) => {
    const start = offset;
    offset = addDims(start, size);
    return slice(x, at, start, offset);
  });
}

interface PadAttrs {
  readonly axis: number;
  readonly before: Dim;
  readonly after: Dim;
  readonly value: number;
}

const padOp = defineOp<PadAttrs>("pad", {
  infer: ([x], { axis, before, after }) => {
    if ([before, after].some((size) => typeof size === "number" && size < 0)) {
      throw new ShapeError(`pad: sizes must not be negative, got ${before} and ${after}`);
    }
    return [
      { dtype: x!.dtype, shape: x!.shape.with(axis, addDims(addDims(before, x!.shape[axis]!), after)) },
    ];
  },
  // Sizes for every axis: ORT's transpose optimizer overlooks Pad's optional list of axes.
  lower: (onnx, [x], { inputs: [node], attrs: { axis, before, after, value } }) => {
    const none = node!.shape.map((): Dim => 0);
    const sizes = onnx.shape([...none.with(axis, before), ...none.with(axis, after)]);
    return onnx.node("Pad", [x!, sizes, onnx.scalar(value, node!.dtype)]);
  },
  vjp: ({ inputs: [x], grads: [dy], attrs: { axis, before } }) => [
    slice(dy, axis, before, addDims(before, x!.shape[axis]!)),
  ],
});

/** Puts `before` and `after` elements of `value` around one axis. */
export function padAxis(x: Node, axis: number, before: Dim, after: Dim, value = 0): Node {
  const at = normaliseAxis(axis, x.rank, "pad");
  return before === 0 && after === 0 ? x : padOp(x, { axis: at, before, after, value });
}

/** Rotates elements along one axis: element i moves to (i + shift) mod size. */
export function roll(x: Node, axis: number, shift: number): Node {
  const size = x.shape.at(axis)!;
  const by = typeof size === "number" ? ((shift % size) + size) % size : shift;
  if (by === 0) return x;
  const cut = subDims(size, by);
  return concat([slice(x, axis, cut, size), slice(x, axis, 0, cut)], axis);
}

/** Adds a dimension of 1 at `axis` of the result. */
export function unsqueeze(x: Node, axis: number): Node {
  const at = normaliseAxis(axis, x.rank + 1, "unsqueeze");
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** Drops a dimension of 1. @throws ShapeError when it is not 1. */
export function squeeze(x: Node, axis: number): Node {
  const at = normaliseAxis(axis, x.rank, "squeeze");
  if (x.shape[at] !== 1) throw new ShapeError(`squeeze: axis ${axis} of ${showShape(x.shape)} is not 1`);
  return reshape(x, x.shape.toSpliced(at, 1));
}

/** Repeats the whole tensor `times` times along one axis: [a, b] becomes [a, b, a, b]. */
export function tile(x: Node, axis: number, times: number): Node {
  return concat(
    Array.from({ length: times }, () => x),
    axis,
  );
}

/** Repeats every element of one axis `times` times: [a, b] becomes [a, a, b, b]. */
export function repeat(x: Node, axis: number, times: Dim): Node {
  const at = normaliseAxis(axis, x.rank, "repeat");
  const apart = unsqueeze(x, at + 1);
  return reshape(
    broadcastTo(apart, apart.shape.with(at + 1, times)),
    x.shape.with(at, mulDims(x.shape[at]!, times)),
  );
}

/** Exchanges two axes. */
export function swapAxes(x: Node, a: number, b: number): Node {
  const order = x.shape.map((_, axis) => axis);
  const [from, to] = [normaliseAxis(a, x.rank, "swapAxes"), normaliseAxis(b, x.rank, "swapAxes")];
  return transpose(x, order.with(from, to).with(to, from));
}

const iotaOp = defineOp<{ readonly size: Dim; readonly dtype: DType }>("iota", {
  infer: (_, { size, dtype }) => [{ dtype, shape: [size] }],
  lower: (onnx, _, { attrs: { size, dtype } }) => {
    const end = onnx.node("Squeeze", [onnx.dim(size)]);
    const range = onnx.node("Range", [onnx.scalar(0, "int64"), end, onnx.scalar(1, "int64")]);
    return dtype === "int64" ? range : onnx.cast(range, dtype);
  },
  vjp: zeroGrad,
});

/** 0, 1, … size − 1. */
export const iota = (size: Dim, dtype: DType = "int64"): Node => iotaOp({ size, dtype });
