/** Elementwise functions of one or two values. dy is the gradient of the output. */

import { isFloat } from "../../tensor/dtype.ts";
import {
  type Call,
  defineOp,
  type Node,
  type OpFunction,
  requireFloat,
  type Vjp,
  zeroGrad,
} from "../node.ts";
import { lowerThrough } from "../onnx/lower.ts";
import {
  add,
  div,
  foldScalars,
  inferBroadcast,
  mul,
  narrowBroadcast,
  neg,
  sub,
  sumTo,
  zeros,
} from "./core.ts";
import { chebyshevErf } from "./erf64.ts";
import { cast, equal, greater, greaterEqual, less, where } from "./select.ts";

/** A float → float op that ONNX has under `onnxName`. */
function unary(
  name: string,
  onnxName: string,
  vjp: Vjp<undefined> | typeof zeroGrad,
  fold?: (x: number) => number,
): OpFunction<undefined> {
  return defineOp(name, {
    infer: ([x]) => {
      requireFloat(name, x!);
      return [x!];
    },
    lower: (onnx, [x]) => onnx.node(onnxName, [x!]),
    narrow: narrowBroadcast,
    vjp,
    ...(fold && { simplify: (call: Call<undefined>) => foldScalars(call as Call, (x) => fold(x!)) }),
  });
}

/** e^x. */
export const exp = unary("exp", "Exp", ({ outputs: [y], grads: [dy] }) => [mul(dy, y!)], Math.exp);
/** Natural logarithm. */
export const log = unary("log", "Log", ({ inputs: [x], grads: [dy] }) => [div(dy, x!)], Math.log);
/** √x; dx = dy / 2y. */
export const sqrt = unary(
  "sqrt",
  "Sqrt",
  ({ outputs: [y], grads: [dy] }) => [div(mul(dy, 0.5), y!)],
  Math.sqrt,
);
/** 1 / x; dx = −dy y². */
export const reciprocal = unary(
  "reciprocal",
  "Reciprocal",
  ({ outputs: [y], grads: [dy] }) => [neg(mul(dy, mul(y!, y!)))],
  (x) => 1 / x,
);
/** Hyperbolic tangent; dx = dy (1 − y²). */
export const tanh = unary(
  "tanh",
  "Tanh",
  ({ outputs: [y], grads: [dy] }) => [mul(dy, sub(1, mul(y!, y!)))],
  Math.tanh,
);
/** 1 / (1 + e^−x); dx = dy y (1 − y). */
export const sigmoid = unary("sigmoid", "Sigmoid", ({ outputs: [y], grads: [dy] }) => [
  mul(dy, mul(y!, sub(1, y!))),
]);
export const sin = unary("sin", "Sin", ({ inputs: [x], grads: [dy] }) => [mul(dy, cos(x!))], Math.sin);
export const cos = unary("cos", "Cos", ({ inputs: [x], grads: [dy] }) => [neg(mul(dy, sin(x!)))], Math.cos);
/** |x|; the gradient at 0 is 0. */
export const abs = unary("abs", "Abs", ({ inputs: [x], grads: [dy] }) => [mul(dy, sign(x!))], Math.abs);
/** max(x, 0); the gradient at 0 is 0. */
export const relu = unary("relu", "Relu", ({ inputs: [x], grads: [dy] }) => [
  where(greater(x!, 0), dy, zeros(dy.dtype, dy.shape)),
]);
/** x itself, through which no gradient passes. */
export const stopGradient = unary("stopGradient", "Identity", zeroGrad);

export const sign = unary("sign", "Sign", zeroGrad, Math.sign);
export const floor = unary("floor", "Floor", zeroGrad, Math.floor);
export const ceil = unary("ceil", "Ceil", zeroGrad, Math.ceil);
/** To the nearest integer, halves to even. */
export const round = unary("round", "Round", zeroGrad);

/** The error function (2/√π) ∫₀ˣ e^−t² dt; dx = dy (2/√π) e^−x². */
export const erf = defineOp<undefined>("erf", {
  infer: ([x]) => {
    requireFloat("erf", x!);
    return [x!];
  },
  // ONNX Runtime's CPU kernel is float32 only.
  lower: (onnx, [x], { inputs: [node] }) =>
    node!.dtype === "float64" ? chebyshevErf(onnx, x!) : onnx.node("Erf", [x!]),
  narrow: narrowBroadcast,
  vjp: ({ inputs: [x], grads: [dy] }) => [mul(dy, mul(exp(neg(mul(x!, x!))), 2 / Math.sqrt(Math.PI)))],
});

/** base^exponent; the exponent gets a gradient only where the base is positive. */
export const pow: OpFunction = defineOp("pow", {
  infer: inferBroadcast("pow"),
  lower: (onnx, inputs) => onnx.node("Pow", inputs),
  narrow: narrowBroadcast,
  vjp: ({ inputs: [base, exponent], outputs: [y], grads: [dy] }) => {
    const dBase = mul(dy, mul(exponent!, pow(base!, sub(exponent!, 1))));
    const isPositive = greater(base!, 0);
    const logBase = where(isPositive, log(where(isPositive, base!, 1)), 0);
    return [sumTo(dBase, base!.shape), sumTo(mul(dy, mul(y!, logBase)), exponent!.shape)];
  },
});

/** a − b ⌊a / b⌋, with the sign of b (Python's %); da = dy, db = −dy ⌊a / b⌋. */
export const mod: OpFunction = defineOp("mod", {
  infer: inferBroadcast("mod"),
  lower: (onnx, inputs, call) =>
    isFloat(call.outputs[0]!.dtype)
      ? lowerThrough(onnx, inputs, call, (a, b) => sub(a!, mul(b!, floor(div(a!, b!)))))
      : onnx.node("Mod", inputs),
  vjp: ({ inputs: [a, b], grads: [dy] }) => [
    sumTo(dy, a!.shape),
    sumTo(neg(mul(dy, floor(div(a!, b!)))), b!.shape),
  ],
});

/** True where x is not a number. */
export const isNan: OpFunction = defineOp("isNan", {
  infer: ([x]) => {
    requireFloat("isNan", x!);
    return [{ dtype: "bool", shape: x!.shape }];
  },
  lower: (onnx, inputs) => onnx.node("IsNaN", inputs),
  vjp: zeroGrad,
});

/** True where x is neither infinite nor not a number. */
export const isFiniteValue = (x: Node): Node => less(abs(x), Number.POSITIVE_INFINITY);

/** The larger of a and b; equal values share the gradient. */
export const maximum = defineOp("maximum", {
  infer: inferBroadcast("maximum"),
  lower: (onnx, inputs) => onnx.node("Max", inputs),
  narrow: narrowBroadcast,
  vjp: ({ inputs: [a, b], grads: [dy] }) => shareBetween(a!, b!, dy, greater(a!, b!)),
});

/** The smaller of a and b; equal values share the gradient. */
export const minimum = defineOp("minimum", {
  infer: inferBroadcast("minimum"),
  lower: (onnx, inputs) => onnx.node("Min", inputs),
  narrow: narrowBroadcast,
  vjp: ({ inputs: [a, b], grads: [dy] }) => shareBetween(a!, b!, dy, less(a!, b!)),
});

function shareBetween(a: Node, b: Node, dy: Node, isFirst: Node): Node[] {
  const share = add(cast(isFirst, dy.dtype), mul(cast(equal(a, b), dy.dtype), 0.5));
  return [sumTo(mul(dy, share), a.shape), sumTo(mul(dy, sub(1, share)), b.shape)];
}

/** Limits x to [low, high]; outside, the gradient is 0. */
export function clip(x: Node, low: number, high: number): Node {
  return where(greaterEqual(x, low), where(greater(x, high), high, x), low);
}

export const square = (x: Node): Node => mul(x, x);
/** 1/√x. */
export const rsqrt = (x: Node): Node => reciprocal(sqrt(x));
/** log(1 + e^x), without overflow. */
export const softplus = (x: Node): Node => add(relu(x), log(add(exp(neg(abs(x))), 1)));
/**
 * y = x σ(x), also called swish. Ramachandran et al. 2017, https://arxiv.org/abs/1710.05941
 * dx = dy (y + σ(x) (1 − y)).
 */
export const silu = defineOp<undefined>("silu", {
  infer: ([x]) => {
    requireFloat("silu", x!);
    return [x!];
  },
  lower: (onnx, [x], { inputs: [node] }) =>
    node!.dtype === "float32"
      ? onnx.node("QuickGelu", [x!], { alpha: { float: 1 } }, { domain: "com.microsoft" })
      : onnx.node("Mul", [x!, onnx.node("Sigmoid", [x!])]),
  standard: ({ inputs: [x] }) => mul(x!, sigmoid(x!)),
  narrow: narrowBroadcast,
  vjp: ({ inputs: [x], outputs: [y], grads: [dy] }) => [mul(dy, add(y!, mul(sigmoid(x!), sub(1, y!))))],
});
/** x for x > 0, slope × x below. */
export const leakyRelu = (x: Node, slope = 0.01): Node => where(greater(x, 0), x, mul(x, slope));
