/** Casts, comparisons, logic on booleans, selection, and bit operations on unsigned integers. */

import { ShapeError } from "../../errors.ts";
import { broadcastShapes } from "../../tensor/dims.ts";
import { type DType, isFloat } from "../../tensor/dtype.ts";
import { defineOp, Node, type Operand, type OpFunction, sameDType, scalar, zeroGrad } from "../node.ts";
import { inferBroadcast, narrowBroadcast, sumTo, zeros } from "./core.ts";

const castOp = defineOp<{ readonly to: DType }>("cast", {
  infer: ([x], { to }) => [{ dtype: to, shape: x!.shape }],
  lower: (onnx, [x], { attrs: { to } }) => onnx.cast(x!, to),
  narrow: narrowBroadcast,
  vjp: ({ inputs: [x], grads: [dy] }) => [isFloat(x!.dtype) && isFloat(dy.dtype) ? cast(dy, x!.dtype) : null],
});

/** The same values in another dtype; floats become integers towards zero. */
export const cast = (x: Node, to: DType): Node => (x.dtype === to ? x : castOp(x, { to }));

function comparison(name: string, onnxName: string): OpFunction<undefined> {
  return defineOp(name, {
    infer: (inputs) => [{ dtype: "bool", shape: inferBroadcast(name)(inputs)[0]!.shape }],
    lower: (onnx, inputs) => onnx.node(onnxName, inputs),
    narrow: narrowBroadcast,
    vjp: zeroGrad,
  });
}

export const equal = comparison("equal", "Equal");
export const less = comparison("less", "Less");
export const lessEqual = comparison("lessEqual", "LessOrEqual");
export const greater = comparison("greater", "Greater");
export const greaterEqual = comparison("greaterEqual", "GreaterOrEqual");

function logic(name: string, onnxName: string): OpFunction<undefined> {
  return defineOp(name, {
    infer: (inputs) => {
      requireBool(name, inputs);
      return inferBroadcast(name)(inputs);
    },
    lower: (onnx, inputs) => onnx.node(onnxName, inputs),
    narrow: narrowBroadcast,
    vjp: zeroGrad,
  });
}

function requireBool(name: string, inputs: readonly Node[]): void {
  const odd = inputs.find((node) => node.dtype !== "bool");
  if (odd) throw new ShapeError(`${name}: expected bool, got ${odd.dtype}`);
}

export const and = logic("and", "And");
export const or = logic("or", "Or");
export const not = logic("not", "Not");
export const notEqual = (a: Node, b: Operand): Node => not(equal(a, b));

const whereOp = defineOp("where", {
  infer: ([condition, a, b]) => {
    requireBool("where", [condition!]);
    return [
      {
        dtype: sameDType("where", [a!, b!]),
        shape: broadcastShapes("where", condition!.shape, a!.shape, b!.shape),
      },
    ];
  },
  lower: (onnx, inputs) => onnx.node("Where", inputs),
  narrow: narrowBroadcast,
  vjp: ({ inputs: [condition, a, b], grads: [dy] }) => {
    const zero = zeros(dy.dtype, []);
    return [null, sumTo(where(condition!, dy, zero), a!.shape), sumTo(where(condition!, zero, dy), b!.shape)];
  },
});

/** a where the condition holds, b elsewhere; at least one of a and b is a node. */
export function where(condition: Node, a: Operand, b: Operand): Node {
  const dtype = a instanceof Node ? a.dtype : (b as Node).dtype;
  const asNode = (operand: Operand): Node => (operand instanceof Node ? operand : scalar(operand, dtype));
  return whereOp(condition, asNode(a), asNode(b));
}

const isUnsigned = (dtype: DType): boolean => dtype.startsWith("uint");

function bitwise(
  name: string,
  onnxName: string,
  attributes: Readonly<Record<string, string>> = {},
): OpFunction<undefined> {
  return defineOp(name, {
    infer: (inputs) => {
      const odd = inputs.find((node) => !isUnsigned(node.dtype));
      if (odd) throw new ShapeError(`${name}: expected an unsigned integer dtype, got ${odd.dtype}`);
      return inferBroadcast(name)(inputs);
    },
    lower: (onnx, inputs) => onnx.node(onnxName, inputs, attributes),
    vjp: zeroGrad,
  });
}

export const bitXor = bitwise("bitXor", "BitwiseXor");
export const bitAnd = bitwise("bitAnd", "BitwiseAnd");
export const shiftRight = bitwise("shiftRight", "BitShift", { direction: "RIGHT" });
export const shiftLeft = bitwise("shiftLeft", "BitShift", { direction: "LEFT" });
