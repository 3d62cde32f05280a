/** Cases without weights: the number of parameters of a full-size model and the shapes of its parts. */

import { z } from "zod";
import { architectureOf } from "../models/registry.ts";
import { declareInputs, storedNames } from "../models/trace.ts";
import { Context } from "../nn/context.ts";
import { countParameters } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { CaseRunner, Tensors } from "./case.ts";

/** What `case.json` states in place of tensors. */
export const expectedNumbers = z.object({
  parameters: z.number().int(),
  shapes: z.record(z.string(), z.array(z.number().int())),
});

const vector = (values: readonly number[]): Tensor => Tensor.from("int64", [values.length], values);

/** Numbers as tensors: `parameters`, and each shape under the name of what has it. */
export const asTensors = ({ parameters, shapes }: z.infer<typeof expectedNumbers>): Tensors =>
  new Map([
    ["parameters", vector([parameters])],
    ...Object.entries(shapes).map(([name, shape]): [string, Tensor] => [name, vector(shape)]),
  ]);

/** Traces one image through the model; nothing is computed. */
export const runShapes: CaseRunner = async ({ name, config }) => {
  const architecture = architectureOf(config, name);
  const model = architecture.build(config);
  const specs = architecture.inputs(config).filter(({ isLabel }) => !isLabel);
  const ctx = Context.inference();
  const outputs = model.forward(ctx, declareInputs(specs, { batch: 1 }));
  const weights = [...storedNames(architecture, model)].map(([node, stored]) => [stored, node] as const);
  const nodes = [...Object.entries(outputs), ...ctx.captured, ...weights];
  return new Map([
    ["parameters", vector([countParameters(model)])],
    ...nodes.map(([stored, node]): [string, Tensor] => [stored, vector(node.shape as number[])]),
  ]);
};
