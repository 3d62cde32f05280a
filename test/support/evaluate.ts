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

/** How far ONNX Runtime may rewrite the graph. */
export type Optimization = "disabled" | "all";

type Feeds = Readonly<Record<string, Tensor>>;

/** A graph that can be run many times. */
export interface Evaluator {
  /** Values of the outputs, in their order, given the graph inputs by name. */
  run(feeds: Feeds): Promise<Tensor[]>;
  release(): Promise<void>;
}

/** A session that computes `outputs` on ONNX Runtime. */
export async function compile(
  outputs: readonly Node[],
  optimization: Optimization = "disabled",
): Promise<Evaluator> {
  const graph = graphOf(outputs);
  const session = await ort.InferenceSession.create(encodeOnnx(graph), {
    graphOptimizationLevel: optimization,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const used = [...graph.inputs.map(inputName), ...graph.parameters.values()];
  return {
    run: async (feeds) => {
      const values = await session.run(Object.fromEntries(used.map((name) => [name, toOrt(feeds[name]!)])));
      return outputs.map((_, at) => fromOrt(values[`out_${at}`]!));
    },
    release: () => session.release(),
  };
}

/** Values of `outputs` on ONNX Runtime, given the graph inputs by name. */
export async function evaluate(
  outputs: readonly Node[],
  feeds: Feeds = {},
  optimization: Optimization = "disabled",
): Promise<Tensor[]> {
  const evaluator = await compile(outputs, optimization);
  const results = await evaluator.run(feeds);
  await evaluator.release();
  return results;
}

const toOrt = ({ dtype, data, shape }: Tensor): ort.Tensor =>
  new ort.Tensor(dtype as "float32", data as Float32Array, shape);

const fromOrt = ({ type, dims, data }: ort.Tensor): Tensor =>
  new Tensor(type as DType, dims, data as Float32Array);
