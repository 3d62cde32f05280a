/** Which weights of a model become integers, and how each is stored. */

import type { Graph } from "../graph/graph.ts";
import { optimise } from "../graph/passes/optimise.ts";
import type { QuantizationPlan, WeightPlan } from "../graph/passes/quantize.ts";
import { type UsedWeight, weightUses } from "../graph/passes/weight-uses.ts";
import type { ConfigJson } from "../models/config.ts";
import { architectureOf } from "../models/registry.ts";
import { storedNames, traceInference } from "../models/trace.ts";
import { sizeOf } from "../tensor/tensor.ts";

/**
 * How products are computed: over the range of each batch ("dynamic"), over ranges found beforehand ("static"), or
 * from weights that are read as blocks ("weight-only"). "fp16" halves what is stored and computes in float32 on a CPU.
 */
export const quantizationKinds = ["dynamic", "static", "weight-only", "fp16"] as const;
export type QuantizationKind = (typeof quantizationKinds)[number];

/** Smaller weights stay floats: they save nothing, and they are often the scores of classes. */
const fewestElements = 4096;
/** Inner elements of one scale of weight-only matrices. */
const blockSize = 32;

/** A model's graph of inference, without labels, as its variants compute it. */
export function inferenceGraph(config: ConfigJson, where: string): Graph {
  const architecture = architectureOf(config, where);
  const model = architecture.build(config);
  const specs = architecture.inputs(config).filter(({ isLabel }) => !isLabel);
  return optimise(traceInference(model, storedNames(architecture, model), specs));
}

/** The weights of a graph that can be integers. */
export const quantizableWeights = (graph: Graph): UsedWeight[] =>
  weightUses(graph).filter(
    ({ parameter, uses }) => sizeOf(parameter.shape as number[]) >= fewestElements && isQuantizable(uses),
  );

const isQuantizable = (uses: UsedWeight["uses"]): boolean =>
  !uses.has("other") && !(uses.has("product") && uses.size > 1);

/** The plan of every weight that can be integers, without ranges. */
export function planOf(
  weights: readonly UsedWeight[],
  kind: QuantizationKind,
  blockBits: 4 | 8,
): QuantizationPlan {
  if (kind === "fp16") return { weights: {} };
  const plans = weights.map((weight) => [weight.name, planFor(weight, kind, blockBits)] as const);
  const kept = plans.filter((entry): entry is [string, WeightPlan] => entry[1] !== undefined);
  return { weights: Object.fromEntries(kept) };
}

/** Embeddings are rows of int8 in every kind; one that also scores its own rows serves both uses. */
function planFor(
  { uses, parameter: { rank } }: UsedWeight,
  kind: QuantizationKind,
  bits: 4 | 8,
): WeightPlan | undefined {
  const isMatrix = !uses.has("rows") && rank === 2;
  const axis = uses.has("product") ? 1 : 0;
  if (kind !== "weight-only") return { kind: "int8", axis, isTransposed: isMatrix && axis === 0 };
  if (isMatrix) return { kind: "blocks", axis, bits, blockSize };
  return uses.has("rows") ? { kind: "int8", axis: 0, isTransposed: false } : undefined;
}
