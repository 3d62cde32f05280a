/** From a model to graphs: declares the inputs, runs `forward` once and collects what it returns. */

import { grad } from "../graph/grad.ts";
import type { Graph } from "../graph/graph.ts";
import { input, isParameter, type Node, parameterAttrs, topologicalOrder } from "../graph/node.ts";
import { Context } from "../nn/context.ts";
import { parametersOf } from "../nn/module.ts";
import { type Dim, symbol } from "../tensor/dims.ts";
import type { Architecture, InputSpec, Model, Outputs } from "./model.ts";

/** A graph with the names under which its parameters are stored. */
export interface TracedGraph extends Graph {
  readonly outputs: Outputs;
}

/** Input nodes of a spec; sizes are symbolic unless given. */
export function declareInputs(
  specs: readonly InputSpec[],
  sizes: Readonly<Record<string, number>> = {},
): Record<string, Node> {
  const dim = (axis: string | number): Dim =>
    typeof axis === "number" ? axis : (sizes[axis] ?? symbol(axis));
  return Object.fromEntries(specs.map(({ name, dtype, axes }) => [name, input(name, dtype, axes.map(dim))]));
}

/** Parameters of a model under their stored (Hugging Face) names. */
export const storedNames = (architecture: Architecture, model: Model): Map<Node, string> =>
  new Map([...parametersOf(model)].map(([node, name]) => [node, architecture.names.toHub(name)]));

export interface TraceOptions {
  /** Captured values wanted as extra outputs, such as `attentions.0`; `true`: all. */
  readonly capture?: readonly string[] | true;
  /** Sizes of symbolic axes that are fixed. */
  readonly sizes?: Readonly<Record<string, number>>;
}

/** The graph of a model in inference: inputs without labels, parameters it uses, its outputs. */
export function traceInference(
  model: Model,
  names: ReadonlyMap<Node, string>,
  specs: readonly InputSpec[],
  { capture = [], sizes }: TraceOptions = {},
): TracedGraph {
  const inputs = declareInputs(specs, sizes);
  const ctx = Context.inference();
  const outputs = model.forward(ctx, inputs);
  const captured = [...ctx.captured].filter(([name]) => capture === true || capture.includes(name));
  return usedGraph({ ...outputs, ...Object.fromEntries(captured) }, Object.values(inputs), names);
}

/** The graph of outputs with only the inputs and parameters they need. */
export function usedGraph(
  outputs: Outputs,
  inputs: readonly Node[],
  names: ReadonlyMap<Node, string>,
): TracedGraph {
  const used = new Set(topologicalOrder(Object.values(outputs)).flatMap((call) => call.outputs));
  return {
    inputs: inputs.filter((node) => used.has(node)),
    parameters: new Map([...names].filter(([node]) => used.has(node))),
    outputs,
  };
}

/** The parameters an optimizer moves. */
export const trainable = (names: ReadonlyMap<Node, string>): [Node, string][] =>
  [...names].filter(([node]) => isParameter(node) && parameterAttrs(node).isTrainable);

/** Outputs `grad.<name>` of the loss for every trainable parameter. */
export function gradientOutputs(loss: Node, names: ReadonlyMap<Node, string>): Record<string, Node> {
  const parameters = trainable(names);
  const gradients = grad(
    loss,
    parameters.map(([node]) => node),
  );
  return Object.fromEntries(parameters.map(([, name], at) => [`grad.${name}`, gradients[at]!]));
}
