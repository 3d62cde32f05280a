/**
 * Reverse-mode differentiation as a graph transform: the gradient of an op is a list of ops, so gradients have
 * gradients. Ops are never named here; each states its own rule.
 */

import { ShapeError } from "../errors.ts";
import { equalShapes, showShape } from "../tensor/dims.ts";
import { isFloat } from "../tensor/dtype.ts";
import { type Call, type Node, topologicalOrder } from "./node.ts";
import { add, ones, zeros } from "./ops/core.ts";

/**
 * Gradients of a scalar `loss` (or of sum(loss × cotangent)) with respect to the nodes of `wrt`, in their order and
 * shapes; zeros where the loss does not depend on a node.
 * @throws ShapeError when the loss is not a scalar and no cotangent is given, or an op on the way has no gradient.
 */
export function grad(loss: Node, wrt: readonly Node[], cotangent?: Node): Node[] {
  if (!cotangent && loss.rank !== 0) {
    throw new ShapeError(
      `grad: the loss must be a scalar, got ${showShape(loss.shape)}; reduce it or give a cotangent`,
    );
  }
  const order = topologicalOrder([loss]);
  const isOnPath = dependents(order, wrt);
  const sums = new Map<Node, Node>([[loss, cotangent ?? ones(loss.dtype, loss.shape)]]);
  for (const call of order.reverse()) {
    if (!isOnPath.has(call) || call.inputs.length === 0) continue;
    if (!call.outputs.some((output) => sums.has(output))) continue;
    inputGradients(call, sums).forEach((gradient, at) => {
      const target = call.inputs[at]!;
      if (!gradient || !(isOnPath.has(target.call) || wrt.includes(target))) return;
      checkGradient(call, target, gradient);
      const sum = sums.get(target);
      sums.set(target, sum ? add(sum, gradient) : gradient);
    });
  }
  return wrt.map((node) => sums.get(node) ?? zeros(node.dtype, node.shape));
}

/** Calls whose value depends on a node of `wrt` through floating-point values. */
function dependents(order: readonly Call[], wrt: readonly Node[]): Set<Call> {
  const targets = new Set(wrt);
  const found = new Set<Call>();
  for (const call of order) {
    const depends = call.inputs.some(
      (node) => isFloat(node.dtype) && (found.has(node.call) || targets.has(node)),
    );
    if (depends || call.outputs.some((node) => targets.has(node))) found.add(call);
  }
  return found;
}

function inputGradients(call: Call, sums: ReadonlyMap<Node, Node>): readonly (Node | null)[] {
  const { op, inputs, outputs, attrs } = call;
  if (typeof op.vjp !== "function") {
    if (op.vjp.kind === "none" && "reason" in op.vjp) {
      throw new ShapeError(`grad: ${op.name} has no gradient: ${op.vjp.reason}`);
    }
    return [];
  }
  const [first, ...others] = outputs.map((output) => sums.get(output));
  const grads = [first ?? zeros(outputs[0]!.dtype, outputs[0]!.shape), ...others] as const;
  return op.vjp({ inputs, outputs, grads, attrs });
}

function checkGradient(call: Call, target: Node, gradient: Node): void {
  if (equalShapes(target.shape, gradient.shape) && target.dtype === gradient.dtype) return;
  throw new ShapeError(
    `grad: the gradient of ${call.op.name} must be ${target.dtype}${showShape(target.shape)}, ` +
      `got ${gradient.dtype}${showShape(gradient.shape)}`,
  );
}
