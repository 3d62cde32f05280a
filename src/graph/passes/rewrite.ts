/** Rebuilds graphs from their leaves up. Every pass is a replacement function given to `rewrite`. */

import { ShapeError } from "../../errors.ts";
import { equalShapes } from "../../tensor/dims.ts";
import type { Graph } from "../graph.ts";
import { applyOp, type Call, type Node, topologicalOrder } from "../node.ts";

/**
 * The new outputs of one call, one per old output and of the same types; undefined to keep the call.
 * `inputs` are the call's inputs after rewriting, `rewritten` gives any earlier node after rewriting.
 */
export type Replace = (
  call: Call,
  inputs: readonly Node[],
  rewritten: (node: Node) => Node,
) => readonly Node[] | undefined;

/** The call on other inputs; the same call when they are the same. */
export function rebuild(call: Call, inputs: readonly Node[]): Call {
  return inputs.every((node, at) => node === call.inputs[at]) ? call : applyOp(call.op, inputs, call.attrs);
}

/** `roots` after replacing every call they need, inputs before users. Nodes that nothing changes stay the same objects. */
export function rewriteNodes(roots: readonly Node[], replace: Replace): Node[] {
  const changed = new Map<Node, Node>();
  const rewritten = (node: Node): Node => changed.get(node) ?? node;
  for (const call of topologicalOrder(roots)) {
    const inputs = call.inputs.map(rewritten);
    const outputs = replace(call, inputs, rewritten) ?? rebuild(call, inputs).outputs;
    call.outputs.forEach((node, at) => {
      const other = outputs[at]!;
      if (other === node) return;
      requireSameType(node, other);
      changed.set(node, other);
    });
  }
  return roots.map(rewritten);
}

function requireSameType(node: Node, other: Node): void {
  if (node.dtype === other.dtype && equalShapes(node.shape, other.shape)) return;
  throw new ShapeError(`rewrite: ${node} was replaced by ${other}; a replacement must have the same type`);
}

/** A graph whose outputs are rewritten; inputs and parameters stay declared, used or not. */
export function rewrite(graph: Graph, replace: Replace): Graph {
  const names = Object.keys(graph.outputs);
  const outputs = rewriteNodes(Object.values(graph.outputs), replace);
  return { ...graph, outputs: Object.fromEntries(names.map((name, at) => [name, outputs[at]!])) };
}

/** `roots` with some nodes replaced by others of the same types. */
export const substitute = (roots: readonly Node[], values: ReadonlyMap<Node, Node>): Node[] =>
  rewriteNodes(roots, (call, inputs) => {
    if (!call.outputs.some((node) => values.has(node))) return undefined;
    const { outputs } = rebuild(call, inputs);
    return call.outputs.map((node, at) => values.get(node) ?? outputs[at]!);
  });

/** Applies a pass until it changes nothing. */
export function untilStable(graph: Graph, pass: (graph: Graph) => Graph): Graph {
  for (let current = graph; ; ) {
    const next = pass(current);
    if (Object.keys(graph.outputs).every((name) => next.outputs[name] === current.outputs[name])) return next;
    current = next;
  }
}
