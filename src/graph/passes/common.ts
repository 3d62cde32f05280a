/** Common subexpressions: calls of one op on the same inputs with the same attributes become one call. */

import type { Tensor } from "../../tensor/tensor.ts";
import type { Graph } from "../graph.ts";
import { type Call, constantValue, isInput, isParameter, type Node } from "../node.ts";
import { rebuild, rewrite } from "./rewrite.ts";

/** Constants of up to this many elements are compared by content, larger ones by identity. */
const comparedElements = 1024;

/** Attributes as text that is equal exactly when they are. JSON alone would confuse −∞ with ∞ and −0 with 0. */
export const attrsKey = (attrs: unknown): string =>
  JSON.stringify(attrs, (_, value: unknown) => {
    if (typeof value !== "number" || (Number.isFinite(value) && !Object.is(value, -0))) return value;
    return { number: Object.is(value, -0) ? "-0" : String(value) };
  }) ?? "";

/** Merges equal calls. Inputs and parameters are equal only to themselves. */
export function mergeCommon(graph: Graph): Graph {
  const identify = identifier();
  const known = new Map<string, Call>();
  return rewrite(graph, (old, inputs) => {
    const call = rebuild(old, inputs);
    const key = callKey(call, identify);
    const same = known.get(key);
    if (!same) known.set(key, call);
    return (same ?? call).outputs;
  });
}

/** A number per object, the same for the same object. */
function identifier(): (object: object) => number {
  const numbers = new Map<object, number>();
  return (object) => {
    const number = numbers.get(object) ?? numbers.size;
    numbers.set(object, number);
    return number;
  };
}

function callKey(call: Call, identify: (object: object) => number): string {
  const [output] = call.outputs;
  const tensor = constantValue(output!);
  if (tensor) return `constant ${constantKey(tensor, identify)}`;
  if (isLeaf(output!)) return `leaf ${identify(call)}`;
  const inputs = call.inputs.map((node) => `${identify(node.call)}.${node.index}`);
  return `${call.op.name}(${inputs}) ${attrsKey(call.attrs)}`;
}

const isLeaf = (node: Node): boolean => isInput(node) || isParameter(node);

function constantKey(tensor: Tensor, identify: (object: object) => number): string {
  if (tensor.size > comparedElements) return String(identify(tensor));
  const { buffer, byteOffset, byteLength } = tensor.data;
  const bytes = Buffer.from(buffer, byteOffset, byteLength).toString("base64");
  return `${tensor.dtype}[${tensor.shape}]${bytes}`;
}
