/**
 * Fused ops are told by their plain form: a function over plain ops of the same value. The form gives a fused op its
 * shape rule, its gradient and its float64 lowering, and recognises the calls that it can stand for.
 */

import { equalShapes } from "../../tensor/dims.ts";
import { grad } from "../grad.ts";
import {
  constantValue,
  defineOp,
  input,
  type Node,
  type OpFunction,
  type OpSpec,
  uniformValue,
  type ValueType,
  type VjpContext,
} from "../node.ts";
import { lowerThrough } from "../onnx/lower.ts";
import { attrsKey } from "../passes/common.ts";
import { substitute } from "../passes/rewrite.ts";

export type Form<A> = (inputs: readonly Node[], attrs: A) => Node;

export interface FusedSpec<A> {
  readonly form: Form<A>;
  /** Nodes for float32 and float16; float64 is lowered in the plain form. */
  readonly lower: OpSpec<A>["lower"];
  readonly match: NonNullable<OpSpec<A>["match"]>;
}

/** Registers an op of one output that equals a form of floating inputs. */
export function defineFused<A = undefined>(
  name: string,
  { form, lower, match }: FusedSpec<A>,
): OpFunction<A> {
  return defineOp<A>(name, {
    infer: (inputs, attrs) => [form(inputs, attrs)],
    lower: (onnx, names, call) =>
      call.outputs[0]!.dtype === "float64"
        ? lowerThrough(onnx, names, call, (...inputs) => form(inputs, call.attrs))
        : lower(onnx, names, call),
    vjp: (context) => formGradients(form, context),
    match: (node) => (node.dtype === "float32" ? match(node) : undefined),
  });
}

/** A leaf that stands for a value of some type while a form is built or compared. */
export const hole = ({ dtype, shape }: ValueType): Node => input("hole", dtype, shape);

/** The gradient of a form. It is taken over holes: inputs that depend on each other must not be followed upwards. */
function formGradients<A>(form: Form<A>, { inputs, grads: [dy], attrs }: VjpContext<A>): Node[] {
  const [upstream, ...holes] = [dy, ...inputs].map(hole);
  const gradients = grad(form(holes, attrs), holes, upstream);
  return substitute(
    gradients,
    new Map([[upstream!, dy], ...holes.map((own, at) => [own, inputs[at]!] as const)]),
  );
}

/**
 * The values of `holes` under which `form` is `node`; undefined when it is not. Ops and attributes must be equal,
 * constants equal in value, and the operands of a sum or product may be exchanged.
 */
export function matchForm(form: Node, node: Node, holes: readonly Node[]): Node[] | undefined {
  const values = unify(form, node, new Set(holes), new Map());
  return values && holes.map((own) => values.get(own)!);
}

type Values = ReadonlyMap<Node, Node>;

function unify(form: Node, node: Node, holes: ReadonlySet<Node>, values: Values): Values | undefined {
  if (form === node) return values;
  if (form.dtype !== node.dtype || !equalShapes(form.shape, node.shape)) return undefined;
  if (holes.has(form)) {
    const known = values.get(form);
    return known === undefined || known === node ? new Map(values).set(form, node) : undefined;
  }
  if (constantValue(form)) {
    const value = uniformValue(form);
    return value !== undefined && value === uniformValue(node) ? values : undefined;
  }
  const [own, other] = [form.call, node.call];
  const isAlike =
    own.op === other.op && form.index === node.index && attrsKey(own.attrs) === attrsKey(other.attrs);
  if (!isAlike || own.inputs.length === 0 || own.inputs.length !== other.inputs.length) return undefined;
  const inOrder = unifyAll(own.inputs, other.inputs, holes, values);
  return inOrder || !commutative.has(own.op.name)
    ? inOrder
    : unifyAll(own.inputs, other.inputs.toReversed(), holes, values);
}

const commutative: ReadonlySet<string> = new Set(["add", "mul"]);

const unifyAll = (
  forms: readonly Node[],
  nodes: readonly Node[],
  holes: ReadonlySet<Node>,
  values: Values,
): Values | undefined =>
  forms.reduce<Values | undefined>(
    (found, form, at) => found && unify(form, nodes[at]!, holes, found),
    values,
  );
