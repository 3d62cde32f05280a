/** Cases of whole models: every architecture of the registry. */

import { join } from "node:path";
import { scalar } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import type { InputSpec } from "../models/model.ts";
import { architectureOf } from "../models/registry.ts";
import { declareInputs, gradientOutputs, storedNames, usedGraph } from "../models/trace.ts";
import { Context } from "../nn/context.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { assertNames } from "../weights/assert-names.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import type { CaseRunner, ParityCase, Tensors } from "./case.ts";

/** Outputs, captured values and, where expected, gradients of the loss. */
export const runModel: CaseRunner = async (parityCase) => {
  const architecture = architectureOf(parityCase.config, parityCase.name);
  const model = architecture.build({ ...parityCase.config, ...parityCase.params });
  const names = storedNames(architecture, model);
  const weights = await readSafetensors(join(parityCase.folder, "model.safetensors"));
  const shapes = new Map([...names].map(([node, name]) => [name, { shape: node.shape as number[] }]));
  assertNames(parityCase.name, shapes, weights, {
    ignoreUnexpected: [
      /(position_ids|embed_positions\.weight|relative_position_index|position_embeddings\.weight)$/,
    ],
  });

  const inputs = declareInputs(inputSpecs(parityCase));
  const ctx = parityCase.params.train_mode ? Context.training(scalar(0, "uint32")) : Context.inference();
  const outputs = {
    ...model.forward(ctx, inputs),
    ...Object.fromEntries(ctx.captured),
    ...Object.fromEntries(
      [...ctx.updates].map(([state, value]) => [`after_step.${names.get(state)}`, value]),
    ),
  };
  const wantsGradients = [...parityCase.expected.keys()].some((name) => name.startsWith("grad."));
  const gradients = wantsGradients && outputs.loss ? gradientOutputs(outputs.loss, names) : {};
  const wanted = Object.entries({ ...outputs, ...gradients }).filter(([name]) =>
    parityCase.expected.has(name),
  );
  const graph = usedGraph(Object.fromEntries(wanted), Object.values(inputs), names);

  const session = await OrtSession.open({ bytes: encodeOnnx(graph), name: parityCase.name });
  try {
    const computed = await session.run(feedsOf(session, parityCase.inputs, weights));
    return new Map([...unchanged(weights), ...Object.entries(computed)]);
  } finally {
    await session.release();
  }
};

/** State that no step moves, such as tables of positions, under the names it has after one. */
const unchanged = (weights: Tensors): [string, Tensor][] =>
  [...weights].map(([name, tensor]) => [`after_step.${name}`, tensor]);

/** Every tensor of the case's inputs, with its own dtype and sizes. */
const inputSpecs = ({ inputs }: ParityCase): InputSpec[] =>
  [...inputs].map(([name, { dtype, shape }]) => ({ name, dtype, axes: shape }));

function feedsOf(session: OrtSession, ...sources: readonly Tensors[]): Record<string, Tensor> {
  const tensors = new Map(sources.flatMap((source) => [...source]));
  return Object.fromEntries(
    session.inputs.map(({ name, dtype }) => [name, asDType(tensors.get(name)!, dtype)]),
  );
}

const asDType = (tensor: Tensor, dtype: Tensor["dtype"]): Tensor =>
  tensor.dtype === dtype ? tensor : Tensor.from(dtype, tensor.shape, tensor.toNumbers());
