/** Ranges of what weights are multiplied with, observed in the float model on real data. */

import type { Graph } from "../graph/graph.ts";
import type { Node } from "../graph/node.ts";
import type { InputRange, QuantizationPlan, WeightPlan } from "../graph/passes/quantize.ts";
import type { UsedWeight } from "../graph/passes/weight-uses.ts";
import type { ConfigJson } from "../models/config.ts";
import { encodeGraph } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { Batch } from "../train/step.ts";
import { Histogram, type RangeMethod } from "./histogram.ts";
import { feedsFor } from "./sample-batches.ts";

export interface Calibration {
  /** The model's folder and config. */
  readonly folder: string;
  readonly config: ConfigJson;
  /** The model's graph of inference, and the weights of it whose inputs are observed. */
  readonly graph: Graph;
  readonly weights: readonly UsedWeight[];
  readonly batches: readonly Batch[];
  readonly method: RangeMethod;
  readonly threads?: number | undefined;
}

/** A range by weight; one that is multiplied with several values has one range for all of them. */
export async function calibrate(request: Calibration): Promise<Map<string, InputRange>> {
  const { folder, config, graph, weights, batches, method, threads } = request;
  const observed = [...new Set(weights.flatMap(({ inputs }) => inputs))];
  const nameOf = (node: Node): string => `observed.${observed.indexOf(node)}`;
  const outputs = Object.fromEntries(observed.map((node) => [nameOf(node), node]));
  const encoded = await encodeGraph(folder, architectureOf(config, folder), { ...graph, outputs });
  const session = await OrtSession.open(
    { ...encoded, name: `${folder}, observed` },
    threads === undefined ? {} : { threads },
  );
  const histograms = new Map(weights.map(({ name }) => [name, new Histogram()]));
  try {
    for (const batch of batches) {
      const values = await session.run(feedsFor(session.inputs, batch));
      for (const { name, inputs } of weights)
        for (const node of inputs) histograms.get(name)!.add(values[nameOf(node)]!.data as Float32Array);
    }
  } finally {
    await session.release();
  }
  return new Map(weights.map(({ name }) => [name, histograms.get(name)!.range(method)]));
}

/** The plan with these ranges; integers without one keep the range of every batch. */
export function withRanges(
  plan: QuantizationPlan,
  ranges: ReadonlyMap<string, InputRange>,
): QuantizationPlan {
  const ranged = ([name, own]: [string, WeightPlan]): [string, WeightPlan] => {
    const input = ranges.get(name);
    return [name, own.kind === "int8" && input ? { ...own, input } : own];
  };
  return { ...plan, weights: Object.fromEntries(Object.entries(plan.weights).map(ranged)) };
}
