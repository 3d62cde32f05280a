/** Lowering of calls to ONNX nodes: every value gets the name of the ONNX value that holds it. */

import { type Call, constantValue, input, type Node, topologicalOrder } from "../node.ts";
import type { OnnxBuilder } from "./builder.ts";

/** Lowers all that `outputs` need; values that have a name in `names` already are left as they are. */
export function lowerCalls(onnx: OnnxBuilder, outputs: readonly Node[], names: Map<Node, string>): void {
  for (const call of topologicalOrder(outputs)) lowerCall(onnx, call, names);
}

/**
 * Lowers one op through others, where ONNX Runtime has no kernel for its dtype: `build` gets stand-ins for the call's
 * inputs and returns what computes the output. Returns the output's name.
 */
export function lowerThrough<A>(
  onnx: OnnxBuilder,
  inputs: readonly string[],
  call: Call<A>,
  build: (...inputs: Node[]) => Node,
): string {
  const standIns = call.inputs.map(({ dtype, shape }, at) => input(inputs[at]!, dtype, shape));
  const names = new Map(standIns.map((node, at) => [node, inputs[at]!]));
  const output = build(...standIns);
  lowerCalls(onnx, [output], names);
  return names.get(output)!;
}

function lowerCall(onnx: OnnxBuilder, call: Call, names: Map<Node, string>): void {
  const [output] = call.outputs;
  if (names.has(output!)) return;
  const tensor = constantValue(output!);
  if (tensor) {
    names.set(output!, onnx.constant(tensor));
    return;
  }
  const inputs = call.inputs.map((node) => names.get(node)!);
  const lowered = [call.op.lower(onnx, inputs, call)].flat();
  call.outputs.forEach((node, index) => {
    names.set(node, lowered[index]!);
  });
}
