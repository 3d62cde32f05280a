/** Graphs for the device that runs them. */

import type { Graph } from "../graph/graph.ts";
import { fusions } from "../graph/ops/fusions.ts";
import { toHalf } from "../graph/passes/half.ts";
import { type OptimiseOptions, optimise } from "../graph/passes/optimise.ts";
import { standardise } from "../graph/passes/standard.ts";
import { chooseProvider, type Provider, warnOnce } from "../runtime/providers.ts";
import type { ComputePrecision, SessionOptions } from "../runtime/session.ts";

export interface Target {
  readonly provider: Provider;
  readonly precision: ComputePrecision;
}

/** Where most models run, and what `model.onnx` of a stored version is made for. */
export const plainTarget: Target = { provider: "cpu", precision: "fp32" };

export const isPlain = ({ provider, precision }: Target): boolean =>
  provider === plainTarget.provider && precision === plainTarget.precision;

/**
 * Where a session of these options will run, and the options with its provider settled.
 * @throws RuntimeFailure when a provider that is forced does not work here.
 */
export async function targetOf<Options extends SessionOptions>(
  options: Options,
): Promise<{ target: Target; settled: Options }> {
  const provider = await chooseProvider(options, options.log ?? warnOnce);
  const { precision = plainTarget.precision } = options;
  return { target: { provider, precision }, settled: { ...options, provider } };
}

/** CPU and CUDA have ONNX Runtime's own ops; TensorRT and WebGPU do most with ONNX's. */
export function graphFor(graph: Graph, { provider, precision }: Target, options: OptimiseOptions): Graph {
  if (provider === "cpu" && precision === "fp32") return optimise(graph, { fuse: fusions.cpu, ...options });
  const float =
    provider === "cuda"
      ? optimise(graph, { fuse: fusions.gpu, ...options })
      : standardise(optimise(graph, options));
  return precision === "fp16" ? optimise(toHalf(float)) : float;
}
