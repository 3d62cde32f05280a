/** Runs an architecture once on given inputs, with weights drawn by a fixed seed. */

import { encodeOnnx } from "../../src/graph/onnx/encode.ts";
import type { ConfigJson } from "../../src/models/config.ts";
import { architectureOf } from "../../src/models/registry.ts";
import { declareInputs, gradientOutputs, storedNames, usedGraph } from "../../src/models/trace.ts";
import { Context } from "../../src/nn/context.ts";
import { initialValue } from "../../src/nn/module.ts";
import { OrtSession } from "../../src/runtime/ort-session.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

export type Tensors = Record<string, Tensor>;

export interface RunModelOptions {
  /** Whether `grad.<name>` of the loss is wanted for every parameter. */
  readonly gradients?: boolean;
  /** Whether lengths and batch sizes stay symbolic, as in a served model. */
  readonly isSymbolic?: boolean;
}

/** Outputs and captured values by name. */
export async function runModel(
  json: ConfigJson,
  feeds: Tensors,
  { gradients = false, isSymbolic = false }: RunModelOptions = {},
): Promise<Tensors> {
  const architecture = architectureOf(json);
  const model = architecture.build(json);
  const names = storedNames(architecture, model);
  const specs = isSymbolic
    ? architecture.inputs(json).filter(({ name }) => feeds[name])
    : Object.entries(feeds).map(([name, { dtype, shape }]) => ({ name, dtype, axes: shape }));
  const inputs = declareInputs(specs);
  const ctx = Context.inference();
  const outputs = { ...model.forward(ctx, inputs), ...Object.fromEntries(ctx.captured) };
  const wanted = gradients ? { ...outputs, ...gradientOutputs(outputs.loss!, names) } : outputs;
  const graph = usedGraph(wanted, Object.values(inputs), names);
  const weights = [...graph.parameters].map(([node, name]) => [name, initialValue(node, name, 3)]);
  const all: Tensors = { ...feeds, ...Object.fromEntries(weights) };
  const session = await OrtSession.open({ bytes: encodeOnnx(graph), name: architecture.name });
  try {
    return await session.run(Object.fromEntries(session.inputs.map(({ name }) => [name, all[name]!])));
  } finally {
    await session.release();
  }
}
