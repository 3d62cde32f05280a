/** Unused inputs and parameters. Dead calls need no pass: graphs are walked from their outputs. */

import type { Graph } from "../graph.ts";
import { symbolSources } from "../graph.ts";
import { inputName, type Node, topologicalOrder } from "../node.ts";

/** The graph without inputs and parameters that no output needs. An input that alone gives a dimension its size stays. */
export function dropUnused(graph: Graph): Graph {
  const reached = topologicalOrder(Object.values(graph.outputs)).flatMap((call) => call.outputs);
  const used = new Set<Node>(reached);
  const kept = graph.inputs.filter((node) => used.has(node));
  const sources = symbolSources({ ...graph, inputs: [...kept, ...graph.inputs] });
  const needed = new Set(symbolsOf(reached).map((name) => sources.get(name)?.input));
  return {
    inputs: graph.inputs.filter((node) => used.has(node) || needed.has(inputName(node))),
    parameters: new Map([...graph.parameters].filter(([node]) => used.has(node))),
    outputs: graph.outputs,
  };
}

/** Names of the symbols in the shapes of `nodes`, repeated where they occur again. */
const symbolsOf = (nodes: readonly Node[]): string[] =>
  nodes
    .flatMap((node) => node.shape)
    .flatMap((dim) => (typeof dim === "number" ? [] : dim.terms.flatMap((term) => term.symbols)));
