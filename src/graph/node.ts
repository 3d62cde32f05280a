/**
 * The graph IR. A `Node` is a value (dtype and shape) produced by a `Call` of an `Op`; both are frozen.
 * Everything true of one op — shape rule, ONNX lowering, gradient — is the one record given to `defineOp`.
 */

import { ShapeError } from "../errors.ts";
import { type Dim, type Shape, showShape } from "../tensor/dims.ts";
import { type DType, isFloat } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { OnnxBuilder } from "./onnx/builder.ts";
import type { IntegerWeight } from "./ops/quantized-weight.ts";

export interface ValueType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** One application of an op to inputs. */
export interface Call<A = unknown> {
  readonly op: OpRecord;
  readonly inputs: readonly Node[];
  readonly attrs: A;
  readonly outputs: readonly Node[];
}

/** A value in a graph: output number `index` of `call`. */
export class Node implements ValueType {
  constructor(
    readonly call: Call,
    readonly index: number,
    readonly dtype: DType,
    readonly shape: Shape,
  ) {
    Object.freeze(this);
  }

  get rank(): number {
    return this.shape.length;
  }

  toString(): string {
    return `${this.call.op.name}: ${this.dtype}${showShape(this.shape)}`;
  }
}

export interface VjpContext<A> {
  readonly inputs: readonly Node[];
  readonly outputs: readonly Node[];
  /** Gradients of the outputs; the first is always there, others are undefined where none arrives. */
  readonly grads: readonly [Node, ...(Node | undefined)[]];
  readonly attrs: A;
}

/** Gradients of the inputs from gradients of the outputs; null for inputs that have none (ids, masks). */
export type Vjp<A> = (context: VjpContext<A>) => readonly (Node | null)[];

/** The gradient is zero wherever it exists: steps, comparisons, integer results. */
export const zeroGrad = Object.freeze({ kind: "zero" });

/** No gradient is defined; one that arrives is an error that states the reason. */
export const noGrad = (reason: string): { readonly kind: "none"; readonly reason: string } =>
  Object.freeze({ kind: "none", reason });

/** A range of one axis of an op's output, which is to be taken from its inputs instead. */
export interface Range {
  readonly axis: number;
  /** Its length. */
  readonly size: Dim;
  /** The same range of an axis of an input. */
  of(x: Node, axis: number): Node;
}

/** All facts of one op. `A` is the type of its attributes: plain data, compared as JSON. */
export interface OpSpec<A> {
  /** Types of the outputs. @throws ShapeError when the inputs do not fit. */
  infer(inputs: readonly Node[], attrs: A): readonly ValueType[];
  /** ONNX nodes that compute the op; returns the names of the outputs. */
  lower(onnx: OnnxBuilder, inputs: readonly string[], call: Call<A>): string | readonly string[];
  vjp: Vjp<A> | typeof zeroGrad | ReturnType<typeof noGrad>;
  /** An equal but simpler value, for the `simplify` pass. */
  simplify?(call: Call<A>): Node | undefined;
  /**
   * A range of the first output, computed from ranges of the inputs; undefined where the op mixes what lies along that
   * axis. For the `narrow` pass.
   */
  narrow?(call: Call<A>, range: Range): Node | undefined;
  /** Its first output through ops that `lower` writes in ONNX's own operators, where it may use ONNX Runtime's. */
  standard?(call: Call<A>): Node | undefined;
  /** Whether the output lies where its first input does, so that it needs no memory of its own. */
  readonly isView?: boolean;
  /** Floating-point operations of a call, a multiply-add counting two. Absent where they are few. */
  flops?(call: Call<A>): Dim;
  /**
   * The first output by a weight in integers, which stands at `at` of the inputs; undefined where the op does not use
   * it as a weight. For the `quantize` pass.
   */
  quantize?(call: Call<A>, at: number, weight: IntegerWeight): Node | undefined;
  /** For fused ops: the inputs and attributes under which this op computes `node`, for the `fuse` pass. */
  match?(node: Node): { readonly inputs: readonly Node[]; readonly attrs: A } | undefined;
}

export interface OpRecord<A = unknown> extends OpSpec<A> {
  readonly name: string;
}

/** A node, or a number that stands for a scalar constant of the other operands' dtype. */
export type Operand = Node | number;

/** Calls an op; attributes, where the op has any, come last. Returns the first output. */
export type OpFunction<A = undefined> = (
  ...operands: A extends undefined ? Operand[] : [...Operand[], A]
) => Node;

const registry = new Map<string, OpRecord>();

/** Every op that `defineOp` has made, by name. */
export const registeredOps = (): ReadonlyMap<string, OpRecord> => registry;

/** Registers an op and returns the function that calls it. */
export function defineOp<A = undefined>(name: string, spec: OpSpec<A>): OpFunction<A> {
  if (registry.has(name)) throw new Error(`op "${name}" is defined twice`);
  const op: OpRecord<A> = Object.freeze({ name, ...spec });
  registry.set(name, op as OpRecord);
  return (...operands) => {
    const isOperand = (value: unknown): value is Operand =>
      value instanceof Node || typeof value === "number";
    const attrs = isOperand(operands.at(-1)) ? undefined : operands.at(-1);
    return applyOp(op, promote((operands as unknown[]).filter(isOperand)), attrs as A).outputs[0]!;
  };
}

/** One application of an op to nodes, with its shape rule checked. */
export function applyOp<A>(op: OpRecord<A>, inputs: readonly Node[], attrs: A): Call<A> {
  const outputs: Node[] = [];
  const call: Call<A> = {
    op: op as OpRecord,
    inputs: Object.freeze([...inputs]),
    attrs: Object.freeze(attrs),
    outputs,
  };
  op.infer(inputs, attrs).forEach(({ dtype, shape }, index) => {
    outputs.push(new Node(call, index, dtype, shape));
  });
  Object.freeze(outputs);
  return Object.freeze(call);
}

function promote(operands: readonly Operand[]): Node[] {
  const model = operands.find((operand) => operand instanceof Node);
  return operands.map((operand) => (typeof operand === "number" ? scalar(operand, model?.dtype) : operand));
}

// Leaves: values that no op computes. They are not registered: they have nothing to infer or differentiate.

const leafOp = <A>(name: string): OpRecord<A> => ({
  name,
  infer: () => [],
  lower: () => {
    throw new Error(`${name} is a leaf and is named by the encoder`);
  },
  vjp: zeroGrad,
});

const inputOp = leafOp<{ name: string }>("input");
const parameterOp = leafOp<ParameterAttrs>("parameter");
const constantOp = leafOp<{ tensor: Tensor }>("constant");

function leaf<A>(op: OpRecord<A>, attrs: A, dtype: DType, shape: Shape): Node {
  const outputs: Node[] = [];
  const call: Call = { op: op as OpRecord, inputs: [], attrs: Object.freeze(attrs), outputs };
  outputs.push(new Node(call, 0, dtype, Object.freeze([...shape])));
  return outputs[0]!;
}

/** How a parameter's first values are drawn. */
export type Initialiser =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "table"; readonly tensor: Tensor }
  | { readonly kind: "copy"; readonly of: Node } // of another parameter
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "truncated-normal"; readonly std: number } // cut at two standard deviations
  | { readonly kind: "uniform"; readonly bound: number };

export interface ParameterAttrs {
  readonly init: Initialiser;
  /** False for state that no optimizer touches, such as running statistics. */
  readonly isTrainable: boolean;
  /** Multiple of the learning rate at which an optimizer moves it. */
  readonly rateFactor: number;
}

/** A value fed on every run. */
export const input = (name: string, dtype: DType, shape: Shape): Node =>
  leaf(inputOp, { name }, dtype, shape);

/** A weight; its name comes from the module field that holds it. */
export const parameter = (
  shape: Shape,
  init: Initialiser,
  dtype: DType = "float32",
  isTrainable = true,
  rateFactor = 1,
): Node => leaf(parameterOp, { init, isTrainable, rateFactor }, dtype, shape);

/** A value known when the graph is built. */
export const constant = (tensor: Tensor): Node => leaf(constantOp, { tensor }, tensor.dtype, tensor.shape);

/** A constant of shape []. */
export const scalar = (value: number, dtype: DType = "float32"): Node =>
  constant(Tensor.from(dtype, [], [value]));

export const isInput = (node: Node): boolean => node.call.op.name === inputOp.name;
export const isParameter = (node: Node): boolean => node.call.op.name === parameterOp.name;

/** The tensor of a constant, undefined for any other node. */
export const constantValue = (node: Node): Tensor | undefined =>
  node.call.op.name === constantOp.name ? (node.call.attrs as { tensor: Tensor }).tensor : undefined;

/** The number a constant holds in every element, undefined for any other node. */
export function uniformValue(node: Node): number | undefined {
  const tensor = constantValue(node);
  return tensor?.size === 1 ? tensor.toNumbers()[0] : undefined;
}

export const inputName = (node: Node): string => (node.call.attrs as { name: string }).name;
export const parameterAttrs = (node: Node): ParameterAttrs => node.call.attrs as ParameterAttrs;

/** @throws ShapeError unless every node has the first one's dtype. */
export function sameDType(where: string, nodes: readonly Node[]): DType {
  const [first] = nodes;
  const odd = nodes.find((node) => node.dtype !== first!.dtype);
  if (odd)
    throw new ShapeError(
      `${where}: dtypes must match, got ${first!.dtype} and ${odd.dtype}; cast one of them`,
    );
  return first!.dtype;
}

/** @throws ShapeError unless the node is of a floating dtype. */
export function requireFloat(where: string, node: Node): DType {
  if (!isFloat(node.dtype)) throw new ShapeError(`${where}: expected a floating dtype, got ${node.dtype}`);
  return node.dtype;
}

/** Calls in an order in which inputs come before their users, from the calls that `roots` need. Dead calls are not in it. */
export function topologicalOrder(roots: readonly Node[]): Call[] {
  const order: Call[] = [];
  const seen = new Set<Call>();
  const stack: { call: Call; next: number }[] = [];
  for (const root of roots) {
    if (!seen.has(root.call)) {
      seen.add(root.call);
      stack.push({ call: root.call, next: 0 });
    }
    while (stack.length > 0) {
      const frame = stack.at(-1)!;
      const child = frame.call.inputs[frame.next++]?.call;
      if (!child) {
        order.push(frame.call);
        stack.pop();
      } else if (!seen.has(child)) {
        seen.add(child);
        stack.push({ call: child, next: 0 });
      }
    }
  }
  return order;
}
