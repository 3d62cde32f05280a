/** A whole graph: named inputs, named parameters, named outputs. What computes the outputs is reached from them. */

import { ShapeError } from "../errors.ts";
import type { Dim } from "../tensor/dims.ts";
import { inputName, isInput, isParameter, type Node, topologicalOrder } from "./node.ts";
import { plainSymbol } from "./onnx/builder.ts";

export interface Graph {
  /** Values fed on every run, in order; their names are their own. */
  readonly inputs: readonly Node[];
  /** Weights by node. */
  readonly parameters: ReadonlyMap<Node, string>;
  readonly outputs: Readonly<Record<string, Node>>;
}

/** Where the size of each symbol of the graph can be read: an input and its axis. */
export function symbolSources(graph: Graph): Map<string, { input: string; axis: number }> {
  const sources = new Map<string, { input: string; axis: number }>();
  for (const node of graph.inputs) {
    node.shape.forEach((dim: Dim, axis) => {
      const name = plainSymbol(dim);
      if (name !== undefined && !sources.has(name)) sources.set(name, { input: inputName(node), axis });
    });
  }
  return sources;
}

/**
 * Checks that a graph can be encoded.
 * @throws ShapeError when a leaf is undeclared, a name is used twice, an output is missing or a symbol has no source.
 */
export function validate(graph: Graph): void {
  if (Object.keys(graph.outputs).length === 0)
    throw new ShapeError("graph: expected at least one output, got none");
  const names = [...graph.inputs.map(inputName), ...graph.parameters.values()];
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (names.length !== new Set(names).size) throw new ShapeError(`graph: the name "${twice}" is used twice`);
  const inputs = new Set(graph.inputs);
  const sources = symbolSources(graph);
  for (const { outputs } of topologicalOrder(Object.values(graph.outputs))) {
    for (const node of outputs) {
      if (isInput(node) && !inputs.has(node)) {
        throw new ShapeError(
          `graph: input "${inputName(node)}" is used but not declared; add it to the graph's inputs`,
        );
      }
      if (isParameter(node) && !graph.parameters.has(node)) {
        throw new ShapeError(
          `graph: a parameter ${node} has no name; collect it from the module that holds it`,
        );
      }
      for (const dim of node.shape) requireSources(dim, node, sources);
    }
  }
}

function requireSources(dim: Dim, node: Node, sources: ReadonlyMap<string, unknown>): void {
  if (typeof dim === "number") return;
  const unknown = dim.terms.flatMap((term) => term.symbols).find((name) => !sources.has(name));
  if (unknown !== undefined) {
    throw new ShapeError(`graph: ${node} uses dimension "${unknown}", which is the size of no graph input`);
  }
}
