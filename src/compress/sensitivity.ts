/** Which weights suffer most from being integers: each alone is switched on, and the model's outputs are compared. */

import type { QuantizationPlan } from "../graph/passes/quantize.ts";
import { switchName } from "../graph/passes/quantize.ts";
import type { ConfigJson } from "../models/config.ts";
import { encodeGraph } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Batch } from "../train/step.ts";
import { type OutputError, outputError } from "./difference.ts";
import { inferenceGraph } from "./quantization-plan.ts";
import { feedsFor } from "./sample-batches.ts";

/** The error of the model's outputs when one weight alone is integers, the mean over batches and outputs. */
export interface Sensitivity extends OutputError {
  /** Name of the weight. */
  readonly name: string;
}

export interface SensitivityRequest {
  /** Folder of weights that has the planned ones as integers and as floats. */
  readonly weightsFolder: string;
  readonly config: ConfigJson;
  readonly plan: QuantizationPlan;
  readonly batches: readonly Batch[];
  readonly threads?: number | undefined;
}

/**
 * All planned weights, the worst first: by KL divergence where the model gives scores ("logits"), else by squared error.
 * One graph holds both forms of every weight and a switch for each, so that one session serves all of them.
 */
export async function rankSensitivity(request: SensitivityRequest): Promise<Sensitivity[]> {
  const { weightsFolder, config, plan, batches, threads } = request;
  const names = Object.keys(plan.weights);
  const graph = inferenceGraph(config, weightsFolder);
  const options = { quantize: plan, hasSwitches: true };
  const encoded = await encodeGraph(weightsFolder, architectureOf(config), graph, options);
  const session = await OrtSession.open(
    { ...encoded, name: "weights with switches" },
    threads === undefined ? {} : { threads },
  );
  const inputs = session.inputs.filter(({ name }) => !name.startsWith(switchName("")));
  const run = (batch: Batch, on: string | undefined): Promise<Record<string, Tensor>> =>
    session.run({ ...feedsFor(inputs, batch), ...switches(names, on) });
  try {
    const expected: Record<string, Tensor>[] = [];
    for (const batch of batches) expected.push(await run(batch, undefined));
    const ranked: Sensitivity[] = [];
    for (const name of names) {
      const errors: OutputError[] = [];
      for (const [at, batch] of batches.entries())
        errors.push(...errorsOf(await run(batch, name), expected[at]!));
      ranked.push({ name, ...meanOf(errors) });
    }
    const measure = "logits" in graph.outputs ? "kl" : "mse";
    return ranked.sort((a, b) => b[measure] - a[measure]);
  } finally {
    await session.release();
  }
}

const switches = (names: readonly string[], on: string | undefined): Record<string, Tensor> =>
  Object.fromEntries(names.map((name) => [switchName(name), Tensor.from("bool", [], [name === on ? 1 : 0])]));

const errorsOf = (
  actual: Readonly<Record<string, Tensor>>,
  expected: Readonly<Record<string, Tensor>>,
): OutputError[] => Object.entries(expected).map(([name, tensor]) => outputError(actual[name]!, tensor));

function meanOf(errors: readonly OutputError[]): OutputError {
  const mean = (field: keyof OutputError): number =>
    errors.reduce((sum, error) => sum + error[field], 0) / errors.length;
  return { kl: mean("kl"), mse: mean("mse"), cosine: mean("cosine") };
}
