import type { Graph } from "../graph.ts";
import type { Call, Node } from "../node.ts";
import { rebuild, rewrite, untilStable } from "./rewrite.ts";

/** Replaces calls by what their op's `simplify` knows to be equal and simpler, until nothing changes. */
export const simplify = (graph: Graph): Graph =>
  untilStable(graph, (current) => rewrite(current, (call, inputs) => simplest(rebuild(call, inputs))));

function simplest(call: Call): readonly Node[] {
  if (call.outputs.length !== 1) return call.outputs;
  const [node] = call.outputs;
  const simpler = call.op.simplify?.(call);
  if (!simpler) return [node!];
  // The result may be one output of several, which has nothing simpler.
  return simpler.call.outputs.length === 1 ? simplest(simpler.call) : [simpler];
}
