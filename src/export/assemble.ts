/** From graphs to the ONNX model of one file and the weights that go into it. */

import { planOf, type QuantizationKind, quantizableWeights } from "../compress/quantization-plan.ts";
import type { Graph } from "../graph/graph.ts";
import type { ExternalTensor } from "../graph/onnx/encode.ts";
import { dropUnused } from "../graph/passes/dead.ts";
import { toHalf } from "../graph/passes/half.ts";
import { optimise } from "../graph/passes/optimise.ts";
import { type QuantizationPlan, quantize } from "../graph/passes/quantize.ts";
import { standardise } from "../graph/passes/standard.ts";
import type { UsedWeight } from "../graph/passes/weight-uses.ts";
import type { Architecture } from "../models/model.ts";
import { layOut } from "./layout.ts";
import { type DecoderParts, mergeDecoder } from "./merged-decoder.ts";
import { type OnnxModel, toOnnxModel } from "./onnx-model.ts";
import type { FileWeight, WeightSource } from "./weights.ts";

/** How weights are stored and products computed, by transformers.js's names. */
export const precisions = ["fp32", "fp16", "q8", "q4"] as const;
export type Precision = (typeof precisions)[number];

export interface AssembledModel {
  readonly model: OnnxModel;
  readonly weights: ReadonlyMap<string, FileWeight>;
}

/** A graph, or the parts of a merged decoder. */
export type FileGraph = Graph | DecoderParts<Graph>;

/** The model of one file. @throws WeightError when the checkpoint lacks a weight. */
export function assemble(
  graph: FileGraph,
  precision: Precision,
  architecture: Architecture,
  source: WeightSource,
): AssembledModel {
  const isMerged = "tail" in graph;
  const parts = (isMerged ? [graph.later, graph.first, graph.tail] : [graph]).map((part) => optimise(part));
  const plan = planFor(parts, precision);
  const { graphs, layouts } = layOut(parts.map((part) => prepare(part, precision, plan)));
  const weights = source.weightsOf(architecture, layouts, plan);
  const located = (name: string): ExternalTensor => ({ file: "weights", offset: 0, ...weights.get(name)! });
  const [later, first, tail] = graphs.map((part) => toOnnxModel(part, { weights: located })) as [
    OnnxModel,
    OnnxModel,
    OnnxModel,
  ];
  return { model: isMerged ? mergeDecoder({ later, first, tail }) : later, weights };
}

function prepare(graph: Graph, precision: Precision, plan: QuantizationPlan): Graph {
  const plain = standardise(quantize(graph, plan));
  const inPrecision = precision === "fp16" ? standardise(toHalf(plain, isCache)) : plain;
  return { ...inPrecision, parameters: dropUnused(inPrecision).parameters };
}

/** A cache, and what a merged decoder passes between its parts, stay in float16. */
const isCache = (name: string): boolean => /^(past_key_values|present)\.|^hidden$/.test(name);

const kinds: Readonly<Partial<Record<Precision, QuantizationKind>>> = { q8: "dynamic", q4: "weight-only" };

/** Which weights of a file's graphs become integers; one that several graphs use has one form for all. */
function planFor(graphs: readonly Graph[], precision: Precision): QuantizationPlan {
  const kind = kinds[precision];
  if (!kind) return { weights: {} };
  const used = new Map<string, UsedWeight>();
  for (const weight of graphs.flatMap(quantizableWeights)) {
    const known = used.get(weight.name);
    used.set(weight.name, { ...weight, uses: new Set([...(known?.uses ?? []), ...weight.uses]) });
  }
  return planOf([...used.values()], kind, 4);
}
