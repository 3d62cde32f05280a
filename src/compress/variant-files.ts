/** The files of a quantised variant: its weights, some of them integers, and the graph over them. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WeightError } from "../errors.ts";
import type { QuantizationPlan } from "../graph/passes/quantize.ts";
import { quantizedNames } from "../graph/passes/quantize.ts";
import type { ConfigJson } from "../models/config.ts";
import { encodeGraph, matchCheckpoint, modelFile } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { storedNames, traceInference } from "../models/trace.ts";
import { numberToFloat16, Tensor } from "../tensor/tensor.ts";
import { type Checkpoint, openCheckpoint, weightsFile } from "../weights/checkpoint.ts";
import { writeSafetensors } from "../weights/safetensors.ts";
import { quantizeWeight } from "./integers.ts";

export interface WeightsRequest {
  /** The model's folder and config. */
  readonly folder: string;
  readonly config: ConfigJson;
  readonly plan: QuantizationPlan;
  /** Store floats in half precision; default false. */
  readonly isHalf?: boolean;
  /** Store planned weights as floats too; default false. */
  readonly keepFloats?: boolean;
}

/**
 * Writes a folder's `model.safetensors`: integers for planned weights, all others of the model as they are.
 * @throws WeightError for a checkpoint that lacks a planned weight, and for numbers that half precision cannot hold.
 */
export async function writeVariantWeights(target: string, request: WeightsRequest): Promise<void> {
  const checkpoint = await openCheckpoint(request.folder);
  try {
    await writeSafetensors(join(target, weightsFile), await variantTensors(checkpoint, request), {
      format: "pt",
    });
  } finally {
    await checkpoint.close();
  }
}

async function variantTensors(checkpoint: Checkpoint, request: WeightsRequest): Promise<Map<string, Tensor>> {
  const { folder, config, plan, isHalf = false, keepFloats = false } = request;
  const architecture = architectureOf(config, folder);
  const entries = matchCheckpoint(architecture, checkpoint);
  const tensors = new Map<string, Tensor>();
  // A checkpoint may repeat tied weights under other names; only the model's own are kept.
  for (const name of storedNames(architecture, architecture.build(config)).values()) {
    const entry = entries.get(name);
    if (!entry) continue;
    const tensor = await checkpoint.read(entry.storedName);
    const own = plan.weights[name];
    if (!own || keepFloats) tensors.set(name, isHalf ? toHalf(name, tensor) : tensor);
    if (!own) continue;
    const { values, scale } = quantizeWeight(tensor, own, plan.weightBits ?? 7);
    const names = quantizedNames(name);
    tensors.set(names.values, values).set(names.scale, scale);
  }
  return tensors;
}

function toHalf(name: string, tensor: Tensor): Tensor {
  const { dtype, shape, data } = tensor;
  if (dtype !== "float32") return tensor;
  const halves = Uint16Array.from(data as Float32Array, numberToFloat16);
  const infinity = 0x7c00;
  const lost = halves.findIndex(
    (bits, at) => (bits & 0x7fff) === infinity && Number.isFinite(data[at] as number),
  );
  if (lost >= 0)
    throw new WeightError(`${name}: ${data[lost]} is beyond half precision; leave this model in float32`);
  return new Tensor("float16", shape, halves);
}

/** Writes `model.onnx` over the weights in `target`: the graph of inference of the model. */
export async function writeVariantGraph(
  target: string,
  config: ConfigJson,
  plan: QuantizationPlan,
): Promise<void> {
  const architecture = architectureOf(config, target);
  const model = architecture.build(config);
  const specs = architecture.inputs(config).filter(({ isLabel }) => !isLabel);
  const graph = traceInference(model, storedNames(architecture, model), specs);
  const { bytes } = await encodeGraph(target, architecture, graph, { quantize: plan });
  await writeFile(join(target, modelFile), bytes);
}
