/** What a graph costs at given sizes: operations, weights, and the memory of the values between its ops. */

import { bindShape } from "../tensor/dims.ts";
import { bytesOf } from "../tensor/dtype.ts";
import { sizeOf } from "../tensor/tensor.ts";
import type { Graph } from "./graph.ts";
import { type Call, constantValue, isInput, isParameter, type Node, topologicalOrder } from "./node.ts";

export interface GraphCost {
  /** Floating-point operations of one run, a multiply-add counting two; only ops that do many are counted. */
  readonly flops: number;
  /** The same by op, with how often each is called; ops that are not counted are left out. */
  readonly flopsByOp: Readonly<Record<string, { readonly calls: number; readonly flops: number }>>;
  /** Most bytes of inputs and intermediate values that are needed at one time, ops running one after the other. */
  readonly activationBytes: number;
}

/** `sizes`: by symbolic dimension. @throws ShapeError when one is missing. */
export function costOf(graph: Graph, sizes: Readonly<Record<string, number>>): GraphCost {
  const calls = topologicalOrder(Object.values(graph.outputs));
  const flopsByOp: Record<string, { calls: number; flops: number }> = {};
  for (const call of calls) {
    const flops = call.op.flops?.(call);
    if (flops === undefined) continue;
    const { calls: known, flops: sum } = flopsByOp[call.op.name] ?? { calls: 0, flops: 0 };
    flopsByOp[call.op.name] = { calls: known + 1, flops: sum + bindShape([flops], sizes)[0]! };
  }
  const flops = Object.values(flopsByOp).reduce((sum, entry) => sum + entry.flops, 0);
  return { flops, flopsByOp, activationBytes: peakBytes(graph, calls, sizes) };
}

/** Largest sum of bytes of the values that some call still needs; views share their input's memory. */
function peakBytes(graph: Graph, calls: readonly Call[], sizes: Readonly<Record<string, number>>): number {
  const owner = (node: Node): Node => (node.call.op.isView ? owner(node.call.inputs[0]!) : node);
  const lastUse = new Map<Node, number>();
  calls.forEach(({ inputs, outputs }, at) => {
    for (const node of [...inputs, ...outputs]) lastUse.set(owner(node), at);
  });
  for (const node of Object.values(graph.outputs)) lastUse.set(owner(node), calls.length);
  const memoryOf = (node: Node): number =>
    owner(node) !== node || isParameter(node) || constantValue(node)
      ? 0
      : sizeOf(bindShape(node.shape, sizes)) * bytesOf(node.dtype);
  const freed = new Map<number, number>();
  let live = graph.inputs.reduce((sum, node) => sum + memoryOf(node), 0);
  let peak = live;
  calls.forEach(({ outputs }, at) => {
    for (const node of outputs) {
      if (isInput(node)) continue;
      const bytes = memoryOf(node);
      const last = lastUse.get(node)!;
      live += bytes;
      freed.set(last, (freed.get(last) ?? 0) + bytes);
    }
    peak = Math.max(peak, live);
    live -= freed.get(at) ?? 0;
  });
  return peak;
}
