/** Runs small graphs in tests. */

import * as ort from "onnxruntime-node";
import type { Graph } from "../../src/graph/graph.ts";
import { inputName, isInput, isParameter, type Node, topologicalOrder } from "../../src/graph/node.ts";
import { encodeOnnx } from "../../src/graph/onnx/encode.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

/** A graph around some outputs; leaves are found by walking. */
export function graphOf(outputs: readonly Node[]): Graph {
  const leaves = topologicalOrder(outputs).flatMap((call) => call.outputs);
  return {
    inputs: leaves.filter(isInput),
    parameters: new Map(leaves.filter(isParameter).map((node, at) => [node, `parameter_${at}`])),
    outputs: Object.fromEntries(outputs.map((node, at) => [`out_${at}`, node])),
  };
}

/** Values of `outputs` on ONNX Runtime, given the graph inputs by name. `optimization` is ORT's own. */
export async function evaluate(
  outputs: readonly Node[],
  feeds: Readonly<Record<string, Tensor>> = {},
  optimization: "disabled" | "all" = "disabled",
): Promise<Tensor[]> {
  const graph = graphOf(outputs);
  const session = await ort.InferenceSession.create(encodeOnnx(graph), {
    graphOptimizationLevel: optimization,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const used = graph.inputs.map(inputName);
  const values = await session.run(Object.fromEntries(used.map((name) => [name, toOrt(feeds[name]!)])));
  const results = outputs.map((_, at) => fromOrt(values[`out_${at}`]!));
  await session.release();
  return results;
}

const toOrt = ({ dtype, data, shape }: Tensor): ort.Tensor =>
  new ort.Tensor(dtype as "float32", data as Float32Array, shape);

const fromOrt = ({ type, dims, data }: ort.Tensor): Tensor =>
  new Tensor(type as DType, dims, data as Float32Array);
