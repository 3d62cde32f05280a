/**
 * Golden batches of a variant: inputs, and the outputs that it must reproduce wherever it is served.
 * `golden.safetensors` holds them as `0.inputs.input_ids`, `0.outputs.logits`, `1.…`.
 */

import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { ModelSource, SessionOptions } from "../runtime/session.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Batch } from "../train/step.ts";
import { readSafetensors, writeSafetensors } from "../weights/safetensors.ts";
import { largestDifference } from "./difference.ts";
import { feedsFor } from "./sample-batches.ts";

export const goldenFile = "golden.safetensors";

/** What a session must answer to one batch. */
export interface GoldenBatch {
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export async function writeGolden(folder: string, batches: readonly GoldenBatch[]): Promise<void> {
  const named = (prefix: string, tensors: Readonly<Record<string, Tensor>>): [string, Tensor][] =>
    Object.entries(tensors).map(([name, tensor]) => [`${prefix}.${name}`, tensor]);
  const tensors = batches.flatMap(({ inputs, outputs }, at) => [
    ...named(`${at}.inputs`, inputs),
    ...named(`${at}.outputs`, outputs),
  ]);
  await writeSafetensors(join(folder, goldenFile), tensors);
}

export async function readGolden(folder: string): Promise<GoldenBatch[]> {
  const tensors = await readSafetensors(join(folder, goldenFile));
  const batches: { inputs: Record<string, Tensor>; outputs: Record<string, Tensor> }[] = [];
  for (const [name, tensor] of tensors) {
    const [, at, side, value] = /^(\d+)\.(inputs|outputs)\.(.+)$/.exec(name) ?? [];
    if (side !== "inputs" && side !== "outputs")
      throw new ConfigError(
        `${join(folder, goldenFile)}: "${name}" is neither an input nor an output of a batch`,
      );
    batches[Number(at)] ??= { inputs: {}, outputs: {} };
    batches[Number(at)]![side][value!] = tensor;
  }
  return batches;
}

/** What a variant answers, and how far from it an answer elsewhere may be. */
export interface Golden {
  readonly batches: readonly GoldenBatch[];
  readonly tolerance: number;
}

/** Numbers of a batch's outputs beyond which it is left out, as scores over a vocabulary have; the first batch stays. */
const mostOutputs = 2 ** 21;
/** Differences that are always allowed. */
const leastTolerance = 1e-3;

/**
 * The answers of a model on the CPU. What may differ elsewhere is three times what differs here when ONNX Runtime
 * computes the same graph without its optimizations.
 */
export async function recordGolden(
  source: ModelSource,
  batches: readonly Batch[],
  options: SessionOptions = {},
): Promise<Golden> {
  const optimised = await OrtSession.open(source, { ...options, provider: "cpu" });
  const plain = await OrtSession.open(source, { ...options, provider: "cpu", optimization: "disabled" });
  try {
    const golden: GoldenBatch[] = [];
    let tolerance = leastTolerance;
    for (const batch of batches) {
      const inputs = feedsFor(optimised.inputs, batch);
      const [outputs, others] = [await optimised.run(inputs), await plain.run(inputs)];
      const size = Object.values(outputs).reduce((sum, output) => sum + output.size, 0);
      if (golden.length > 0 && size > mostOutputs) continue;
      golden.push({ inputs, outputs });
      for (const [name, expected] of Object.entries(outputs))
        tolerance = Math.max(tolerance, 3 * largestDifference(others[name]!, expected));
    }
    return { batches: golden, tolerance };
  } finally {
    await Promise.all([optimised.release(), plain.release()]);
  }
}
