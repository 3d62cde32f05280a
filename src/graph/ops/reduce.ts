/** Reductions along axes. `axes` defaults to all of them; negative axes count from the end. */

import { normaliseAxis } from "../../tensor/dims.ts";
import type { DType } from "../../tensor/dtype.ts";
import { defineOp, type Node, zeroGrad } from "../node.ts";
import { add, countOf, div, mul, normaliseAxes, reducedShape, reshape, sub, sum } from "./core.ts";
import { exp, log, sqrt, square } from "./math.ts";
import { cast, equal } from "./select.ts";
import { flip } from "./shape.ts";

type Axes = readonly number[] | number;

/** Arithmetic mean. */
export function mean(x: Node, axes?: Axes, keepDims = false): Node {
  return div(sum(x, axes, keepDims), countOf(x, normaliseAxes("mean", x, axes)));
}

/** Mean of squared distances from the mean (divided by n, not n − 1). */
export function variance(x: Node, axes?: Axes, keepDims = false): Node {
  return mean(square(sub(x, mean(x, axes, true))), axes, keepDims);
}

interface ReduceAttrs {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

const extremeOp = (name: "reduceMax" | "reduceMin", onnxName: string) =>
  defineOp<ReduceAttrs>(name, {
    infer: ([x], { axes, keepDims }) => [{ dtype: x!.dtype, shape: reducedShape(x!.shape, axes, keepDims) }],
    lower: (onnx, [x], { attrs: { axes, keepDims } }) =>
      onnx.node(onnxName, [x!, onnx.int64s(axes)], { keepdims: keepDims ? 1 : 0 }),
    // The gradient goes to the extreme elements, shared where several are equal.
    vjp: ({ inputs: [x], outputs: [y], grads: [dy], attrs: { axes } }) => {
      const kept = reducedShape(x!.shape, axes, true);
      const isExtreme = cast(equal(x!, reshape(y!, kept)), dy.dtype);
      return [mul(isExtreme, div(reshape(dy, kept), sum(isExtreme, axes, true)))];
    },
  });

const maxOp = extremeOp("reduceMax", "ReduceMax");
const minOp = extremeOp("reduceMin", "ReduceMin");

/** Largest element. */
export const max = (x: Node, axes?: Axes, keepDims = false): Node =>
  maxOp(x, { axes: normaliseAxes("max", x, axes), keepDims });

/** Smallest element. */
export const min = (x: Node, axes?: Axes, keepDims = false): Node =>
  minOp(x, { axes: normaliseAxes("min", x, axes), keepDims });

/** log Σ e^x, without overflow. */
export function logSumExp(x: Node, axes?: Axes, keepDims = false): Node {
  const over = normaliseAxes("logSumExp", x, axes);
  const peak = max(x, over, true);
  const result = add(log(sum(exp(sub(x, peak)), over, true)), peak);
  return reshape(result, reducedShape(x.shape, over, keepDims));
}

/** √Σx². */
export const l2Norm = (x: Node, axes?: Axes, keepDims = false): Node => sqrt(sum(square(x), axes, keepDims));

const argExtreme = (name: "argMax" | "argMin", onnxName: string) =>
  defineOp<{ readonly axis: number; readonly keepDims: boolean }>(name, {
    infer: ([x], { axis, keepDims }) => [
      { dtype: "int64" as DType, shape: reducedShape(x!.shape, [axis], keepDims) },
    ],
    lower: (onnx, [x], { attrs: { axis, keepDims } }) =>
      onnx.node(onnxName, [x!], { axis, keepdims: keepDims ? 1 : 0 }),
    vjp: zeroGrad,
  });

const argMaxOp = argExtreme("argMax", "ArgMax");
const argMinOp = argExtreme("argMin", "ArgMin");

/** Index of the first largest element along one axis, int64. */
export const argMax = (x: Node, axis = -1, keepDims = false): Node =>
  argMaxOp(x, { axis: normaliseAxis(axis, x.rank, "argMax"), keepDims });

/** Index of the first smallest element along one axis, int64. */
export const argMin = (x: Node, axis = -1, keepDims = false): Node =>
  argMinOp(x, { axis: normaliseAxis(axis, x.rank, "argMin"), keepDims });

const cumSumOp = defineOp<{ readonly axis: number }>("cumSum", {
  infer: ([x]) => [x!],
  lower: (onnx, [x], { attrs: { axis } }) => onnx.node("CumSum", [x!, onnx.scalar(axis, "int64")]),
  // Each element reaches all later sums: the gradient is the running sum from the other end.
  vjp: ({ grads: [dy], attrs: { axis } }) => [flip(cumSum(flip(dy, axis), axis), axis)],
});

/** Running sum along one axis, the element itself included. */
export const cumSum = (x: Node, axis: number): Node =>
  cumSumOp(x, { axis: normaliseAxis(axis, x.rank, "cumSum") });
