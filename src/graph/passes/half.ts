/** A graph in float16, for devices that compute and move it faster than float32. */

import { numberToFloat16, Tensor } from "../../tensor/tensor.ts";
import type { Graph } from "../graph.ts";
import {
  type Call,
  constant,
  constantValue,
  input,
  inputName,
  isInput,
  isParameter,
  type Node,
  parameter,
  parameterAttrs,
  topologicalOrder,
} from "../node.ts";
import { clip } from "../ops/math.ts";
import { cast } from "../ops/select.ts";
import { rebuild } from "./rewrite.ts";

/** The largest finite float16. */
const largestHalf = 65_504;

const isSingle = ({ dtype }: Node): boolean => dtype === "float32";

/**
 * The graph with float16 weights and activations. Inputs and outputs stay float32, but for those that `isHalf` names.
 * What depends neither on weights nor on float inputs (positions, masks) is computed in float32 and rounded where it
 * meets what does, so that no place in a text is rounded. Values beyond ±65,504 become the nearest finite ones.
 */
export function toHalf(graph: Graph, isHalf: (name: string) => boolean = () => false): Graph {
  const halves = new Halves();
  const inputs = graph.inputs.map((node) => {
    const own =
      isSingle(node) && isHalf(inputName(node)) ? input(inputName(node), "float16", node.shape) : node;
    if (isSingle(node)) halves.set(node, cast(own, "float16"));
    return own;
  });
  const parameters = [...graph.parameters].map(([node, name]): [Node, string] => {
    const own = isSingle(node) ? halfParameter(node) : node;
    halves.set(node, own);
    return [own, name];
  });
  for (const call of topologicalOrder(Object.values(graph.outputs))) halves.convert(call);
  const outputs = Object.entries(graph.outputs).map(([name, node]): [string, Node] => {
    const own = halves.get(node);
    return [name, isSingle(node) && !isHalf(name) ? cast(own, "float32") : own];
  });
  return { inputs, parameters: new Map(parameters), outputs: Object.fromEntries(outputs) };
}

function halfParameter(node: Node): Node {
  const { init, isTrainable, rateFactor } = parameterAttrs(node);
  return parameter(node.shape, init, "float16", isTrainable, rateFactor);
}

/** The float16 nodes of a graph by its float32 ones; a node that depends on no weights has none until it is used. */
class Halves {
  private readonly nodes = new Map<Node, Node>();
  private readonly dependent = new Set<Node>();

  set(node: Node, half: Node): void {
    this.nodes.set(node, half);
  }

  get(node: Node): Node {
    const known = this.nodes.get(node);
    if (known) return known;
    const half = isSingle(node) ? rounded(node) : node;
    this.nodes.set(node, half);
    return half;
  }

  /** Rebuilds a call on float16 values where one of its operands depends on weights. */
  convert(call: Call): void {
    const [first] = call.outputs;
    if (isInput(first!) || isParameter(first!) || !call.inputs.some((node) => this.dependent.has(node))) {
      if (this.nodes.has(first!)) this.dependent.add(first!);
      return;
    }
    const { outputs } = rebuild(
      call,
      call.inputs.map((node) => this.get(node)),
    );
    call.outputs.forEach((node, at) => {
      this.dependent.add(node);
      this.nodes.set(node, isSingle(outputs[at]!) ? cast(outputs[at]!, "float16") : outputs[at]!);
    });
  }
}

/** A float32 node in float16, its values kept finite. */
function rounded(node: Node): Node {
  const tensor = constantValue(node);
  if (!tensor) return cast(clip(node, -largestHalf, largestHalf), "float16");
  const bounded = tensor.toNumbers().map((x) => Math.min(largestHalf, Math.max(-largestHalf, x)));
  return constant(new Tensor("float16", tensor.shape, Uint16Array.from(bounded, numberToFloat16)));
}
