/**
 * The ops whose gradients need each other: the four arithmetic operations, sum, and changes of shape.
 * Shapes broadcast as in NumPy; `sumTo` is the one place where a gradient undoes broadcasting.
 */

import { ShapeError } from "../../errors.ts";
import {
  broadcastShapes,
  type Dim,
  divideDims,
  equalDims,
  equalShapes,
  mulDims,
  normaliseAxis,
  productOf,
  type Shape,
  showShape,
} from "../../tensor/dims.ts";
import type { DType } from "../../tensor/dtype.ts";
import {
  applyOp,
  type Call,
  defineOp,
  type Node,
  type OpFunction,
  type Range,
  sameDType,
  scalar,
  uniformValue,
  type ValueType,
  zeroGrad,
} from "../node.ts";

/** Shape rule of elementwise ops with broadcasting. */
export const inferBroadcast =
  (name: string) =>
  (inputs: readonly Node[]): readonly ValueType[] => [
    { dtype: sameDType(name, inputs), shape: broadcastShapes(name, ...inputs.map((node) => node.shape)) },
  ];

/** A range of an elementwise op with broadcasting: operands that do not vary along the axis stay whole. */
export function narrowBroadcast<A>(call: Call<A>, { axis, of }: Range): Node {
  const [output] = call.outputs;
  const inputs = call.inputs.map((node) => {
    const own = axis - (output!.rank - node.rank);
    return own >= 0 && equalDims(node.shape[own]!, output!.shape[axis]!) ? of(node, own) : node;
  });
  return applyOp(call.op, inputs, call.attrs).outputs[0]!;
}

/** A scalar constant in place of an op on scalar constants. */
export function foldScalars(call: Call, compute: (...values: number[]) => number): Node | undefined {
  const values = call.inputs.map(uniformValue);
  const [output] = call.outputs;
  if (output!.rank !== 0 || !output!.dtype.startsWith("float")) return undefined;
  return values.every((value) => value !== undefined) ? scalar(compute(...values), output!.dtype) : undefined;
}

/** `x` where dropping the other operand changes neither value nor shape. */
const keep = (call: Call, x: Node): Node | undefined =>
  equalShapes(x.shape, call.outputs[0]!.shape) ? x : undefined;

/** a + b. */
export const add: OpFunction = defineOp("add", {
  infer: inferBroadcast("add"),
  lower: (onnx, inputs) => onnx.node("Add", inputs),
  narrow: narrowBroadcast,
  vjp: ({ inputs: [a, b], grads: [dy] }) => [sumTo(dy, a!.shape), sumTo(dy, b!.shape)],
  simplify: (call) => {
    const [a, b] = call.inputs;
    if (uniformValue(b!) === 0) return keep(call, a!);
    if (uniformValue(a!) === 0) return keep(call, b!);
    return foldScalars(call, (x, y) => x! + y!);
  },
});

/** a − b. */
export const sub: OpFunction = defineOp("sub", {
  infer: inferBroadcast("sub"),
  lower: (onnx, inputs) => onnx.node("Sub", inputs),
  narrow: narrowBroadcast,
  vjp: ({ inputs: [a, b], grads: [dy] }) => [sumTo(dy, a!.shape), sumTo(neg(dy), b!.shape)],
  simplify: (call) => {
    const [a, b] = call.inputs;
    return uniformValue(b!) === 0 ? keep(call, a!) : foldScalars(call, (x, y) => x! - y!);
  },
});

/** a × b. */
export const mul: OpFunction = defineOp("mul", {
  infer: inferBroadcast("mul"),
  lower: (onnx, inputs) => onnx.node("Mul", inputs),
  narrow: narrowBroadcast,
  vjp: ({ inputs: [a, b], grads: [dy] }) => [sumTo(mul(dy, b!), a!.shape), sumTo(mul(dy, a!), b!.shape)],
  simplify: (call) => {
    const [a, b] = call.inputs;
    if (uniformValue(b!) === 1) return keep(call, a!);
    if (uniformValue(a!) === 1) return keep(call, b!);
    return foldScalars(call, (x, y) => x! * y!);
  },
});

/** a / b; integers divide towards zero. */
export const div: OpFunction = defineOp("div", {
  infer: inferBroadcast("div"),
  lower: (onnx, inputs) => onnx.node("Div", inputs),
  // d(a/b) = da / b − (a/b) db / b
  narrow: narrowBroadcast,
  vjp: ({ inputs: [a, b], outputs: [y], grads: [dy] }) => {
    const da = div(dy, b!);
    return [sumTo(da, a!.shape), sumTo(neg(mul(da, y!)), b!.shape)];
  },
  simplify: (call) => {
    const [a, b] = call.inputs;
    return uniformValue(b!) === 1 ? keep(call, a!) : foldScalars(call, (x, y) => x! / y!);
  },
});

/** −x. */
export const neg: OpFunction = defineOp("neg", {
  infer: ([x]) => [x!],
  lower: (onnx, inputs) => onnx.node("Neg", inputs),
  narrow: narrowBroadcast,
  vjp: ({ grads: [dy] }) => [neg(dy)],
  simplify: (call) => foldScalars(call, (x) => -x!),
});

interface SumAttrs {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

/** The shape after reducing `axes`. */
export const reducedShape = (shape: Shape, axes: readonly number[], keepDims: boolean): Shape =>
  shape.flatMap((dim, axis) => (axes.includes(axis) ? (keepDims ? [1] : []) : [dim]));

const sumOp = defineOp<SumAttrs>("sum", {
  infer: ([x], { axes, keepDims }) => [{ dtype: x!.dtype, shape: reducedShape(x!.shape, axes, keepDims) }],
  lower: (onnx, [x], { attrs: { axes, keepDims } }) =>
    onnx.node("ReduceSum", [x!, onnx.int64s(axes)], { keepdims: keepDims ? 1 : 0 }),
  vjp: ({ inputs: [x], grads: [dy], attrs: { axes } }) => [
    broadcastTo(reshape(dy, reducedShape(x!.shape, axes, true)), x!.shape),
  ],
});

/** Non-negative, sorted axes; all of them by default. */
export const normaliseAxes = (
  where: string,
  x: Node,
  axes?: readonly number[] | number,
): readonly number[] =>
  axes === undefined
    ? x.shape.map((_, axis) => axis)
    : [...new Set([axes].flat().map((axis) => normaliseAxis(axis, x.rank, where)))].sort((a, b) => a - b);

/** Sum over `axes` (default: all). */
export function sum(x: Node, axes?: readonly number[] | number, keepDims = false): Node {
  const over = normaliseAxes("sum", x, axes);
  return over.length === 0 ? x : sumOp(x, { axes: over, keepDims });
}

/** Sums a broadcast gradient back to the shape of the operand it belongs to. */
export function sumTo(gradient: Node, shape: Shape): Node {
  if (equalShapes(gradient.shape, shape)) return gradient;
  const extra = gradient.rank - shape.length;
  const axes = gradient.shape.flatMap((dim, axis) => {
    const isStretched = axis < extra || (shape[axis - extra] === 1 && !equalDims(dim, 1));
    return isStretched ? [axis] : [];
  });
  return reshape(sum(gradient, axes, true), shape);
}

const reshapeOp = defineOp<{ readonly shape: Shape }>("reshape", {
  infer: ([x], { shape }) => {
    if (!equalDims(productOf(x!.shape), productOf(shape))) {
      throw new ShapeError(`reshape: ${showShape(x!.shape)} and ${showShape(shape)} differ in size`);
    }
    return [{ dtype: x!.dtype, shape }];
  },
  isView: true,
  lower: (onnx, [x], { attrs: { shape } }) =>
    onnx.node("Reshape", [x!, onnx.reshapeTarget(shape)], { allowzero: 1 }),
  // An axis that the input has too: as many elements before it, and as long.
  narrow: ({ inputs: [x], attrs: { shape } }, { axis, size, of }) => {
    const before = productOf(shape.slice(0, axis));
    const own = x!.shape.findIndex(
      (dim, at) => equalDims(dim, shape[axis]!) && equalDims(productOf(x!.shape.slice(0, at)), before),
    );
    return own < 0 ? undefined : reshape(of(x!, own), shape.with(axis, size));
  },
  vjp: ({ inputs: [x], grads: [dy] }) => [reshape(dy, x!.shape)],
  simplify: ({ inputs: [x], outputs: [y] }) => {
    if (equalShapes(x!.shape, y!.shape)) return x;
    return x!.call.op.name === "reshape" ? reshape(x!.call.inputs[0]!, y!.shape) : undefined;
  },
});

/**
 * The same elements, row-major, under another shape; one dimension may be −1 and is worked out.
 * @throws ShapeError when the sizes differ.
 */
export function reshape(x: Node, shape: Shape): Node {
  const at = shape.indexOf(-1);
  if (at < 0) return equalShapes(x.shape, shape) ? x : reshapeOp(x, { shape });
  const known = productOf(shape.filter((_, axis) => axis !== at));
  const missing = divideDims(productOf(x.shape), known);
  if (missing === undefined) {
    throw new ShapeError(
      `reshape: ${showShape(x.shape)} has no whole dimension for −1 in ${showShape(shape)}`,
    );
  }
  return reshape(x, shape.with(at, missing));
}

const broadcastOp = defineOp<{ readonly shape: Shape }>("broadcastTo", {
  infer: ([x], { shape }) => {
    if (!equalShapes(broadcastShapes("broadcastTo", x!.shape, shape), shape)) {
      throw new ShapeError(`broadcastTo: ${showShape(x!.shape)} does not broadcast to ${showShape(shape)}`);
    }
    return [{ dtype: x!.dtype, shape }];
  },
  lower: (onnx, [x], { attrs: { shape } }) => onnx.node("Expand", [x!, onnx.shape(shape)]),
  narrow: ({ inputs: [x], attrs: { shape } }, { axis, size, of }) => {
    const own = axis - (shape.length - x!.rank);
    const isWhole = own < 0 || !equalDims(x!.shape[own]!, shape[axis]!);
    return broadcastTo(isWhole ? x! : of(x!, own), shape.with(axis, size));
  },
  vjp: ({ inputs: [x], grads: [dy] }) => [sumTo(dy, x!.shape)],
});

/** Repeats x along dimensions of 1 (and new leading ones) up to `shape`. */
export const broadcastTo = (x: Node, shape: Shape): Node =>
  equalShapes(x.shape, shape) ? x : broadcastOp(x, { shape });

const transposeOp = defineOp<{ readonly order: readonly number[] }>("transpose", {
  infer: ([x], { order }) => [{ dtype: x!.dtype, shape: order.map((axis) => x!.shape[axis]!) }],
  lower: (onnx, [x], { attrs: { order } }) => onnx.node("Transpose", [x!], { perm: order }),
  narrow: ({ inputs: [x], attrs: { order } }, { axis, of }) => transpose(of(x!, order[axis]!), order),
  vjp: ({ grads: [dy], attrs: { order } }) => [transpose(dy, invertOrder(order))],
  simplify: ({ inputs: [x], attrs: { order } }) => {
    if (order.every((axis, at) => axis === at)) return x;
    if (x!.call.op.name !== "transpose") return undefined;
    const inner = (x!.call.attrs as { order: readonly number[] }).order;
    return transpose(
      x!.call.inputs[0]!,
      order.map((axis) => inner[axis]!),
    );
  },
});

/** Whether a call reorders axes. */
export const isTranspose = (call: Call): boolean => call.op.name === "transpose";

const invertOrder = (order: readonly number[]): number[] => order.map((_, axis) => order.indexOf(axis));

/** Reorders the axes; by default reverses them. @throws ShapeError unless `order` is a permutation of the axes. */
export function transpose(
  x: Node,
  order: readonly number[] = x.shape.map((_, axis) => x.rank - 1 - axis),
): Node {
  const axes = order.map((axis) => normaliseAxis(axis, x.rank, "transpose"));
  if (axes.length !== x.rank || new Set(axes).size !== x.rank) {
    throw new ShapeError(`transpose: [${order}] is not a permutation of the axes of ${showShape(x.shape)}`);
  }
  return transposeOp(x, { order: axes });
}

/** A tensor with one value everywhere. */
export const full = (value: number, dtype: DType, shape: Shape): Node =>
  broadcastTo(scalar(value, dtype), shape);
export const zeros = (dtype: DType, shape: Shape): Node => full(0, dtype, shape);
export const ones = (dtype: DType, shape: Shape): Node => full(1, dtype, shape);

/** Number of elements over `axes`, as a float node where it is symbolic. */
export function countOf(x: Node, axes: readonly number[]): Node | number {
  const count = axes.reduce<Dim>((product, axis) => mulDims(product, x.shape[axis]!), 1);
  return typeof count === "number" ? count : dimValue(x.dtype, count);
}

/** A dimension as a scalar node. */
export const dimValue = (dtype: DType, dim: Dim): Node =>
  typeof dim === "number" ? scalar(dim, dtype) : dimOp(scalar(0, dtype), { dim });

const dimOp = defineOp<{ readonly dim: Dim }>("dimValue", {
  infer: ([like]) => [{ dtype: like!.dtype, shape: [] }],
  lower: (onnx, _, { attrs: { dim }, outputs: [y] }) =>
    onnx.cast(onnx.node("Squeeze", [onnx.dim(dim)]), y!.dtype),
  vjp: zeroGrad,
});
