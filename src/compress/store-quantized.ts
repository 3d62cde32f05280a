/** The last step of a quantisation: the graph, golden outputs and latency of a variant, and its place in the store. */

import { copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { QuantizationPlan } from "../graph/passes/quantize.ts";
import type { ConfigJson } from "../models/config.ts";
import { encodeGraph, modelFile } from "../models/open.ts";
import { quantizationConfig } from "../models/quantization.ts";
import { architectureOf } from "../models/registry.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { Session, SessionOptions } from "../runtime/session.ts";
import { addVariant, type StoredVariant } from "../store/variants.ts";
import { sizeOf } from "../tensor/tensor.ts";
import { openCheckpoint, weightsFile } from "../weights/checkpoint.ts";
import { recordGolden, writeGolden } from "./golden.ts";
import { compareLatency } from "./latency.ts";
import { inferenceGraph, type QuantizationKind } from "./quantization-plan.ts";
import type { QuantizeRequest } from "./quantize-model.ts";
import { feedsFor, goldenBatches, sampleBatches } from "./sample-batches.ts";
import { writeVariantGraph } from "./variant-files.ts";

/** A quantised model whose accuracy is known. */
export interface MeasuredPlan {
  readonly plan: QuantizationPlan;
  readonly metric: string;
  readonly before: Readonly<Record<string, number>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly drop: number;
  readonly keptFloat: readonly string[];
}

/** Examples, one at a time, on which latency is measured, and how often each is run. */
const latencyExamples = 10;
const latencyTurns = 3;

/** Stores what the folder `work` has the weights of as a variant of the request's model. */
export async function storeQuantized(
  request: QuantizeRequest,
  config: ConfigJson,
  work: string,
  measured: MeasuredPlan,
): Promise<StoredVariant> {
  const { folder, kind, blockBits = 8, dataset, lineage, name = variantName(kind, blockBits) } = request;
  const session: SessionOptions = request.threads === undefined ? {} : { threads: request.threads };
  await writeVariantGraph(work, config, measured.plan);
  const source = { path: join(work, modelFile) };
  const golden = await recordGolden(source, await goldenBatches(dataset), session);
  const latency = await measureLatency(request, config, source, session);
  const sizeRatio = (await floatSize(folder)) / (await stat(join(work, weightsFile))).size;
  const fill = async (target: string): Promise<void> => {
    for (const file of [weightsFile, modelFile]) await copyFile(join(work, file), join(target, file));
    await writeGolden(target, golden.batches);
  };
  return addVariant(folder, name, fill, {
    kind: kindOf(kind, blockBits),
    config: kind === "fp16" ? {} : quantizationConfig(measured.plan),
    tolerance: golden.tolerance,
    metrics: figuresOf(measured, latency, sizeRatio),
    ...(lineage && { lineage }),
  });
}

function figuresOf(
  { metric, metrics, before, drop, keptFloat }: MeasuredPlan,
  { floatMs, variantMs }: Latency,
  sizeRatio: number,
): Record<string, number> {
  return {
    [metric]: metrics[metric]!,
    [`float_${metric}`]: before[metric]!,
    points_lost: drop,
    latency_ms: variantMs,
    speedup: floatMs / variantMs,
    size_ratio: sizeRatio,
    kept_float: keptFloat.length,
  };
}

interface Latency {
  readonly floatMs: number;
  readonly variantMs: number;
}

/** Milliseconds of the float model and of the variant, one example at a time. */
async function measureLatency(
  { folder, dataset }: QuantizeRequest,
  config: ConfigJson,
  variant: { readonly path: string },
  options: SessionOptions,
): Promise<Latency> {
  const encoded = await encodeGraph(folder, architectureOf(config, folder), inferenceGraph(config, folder));
  const sessions: Session[] = [];
  try {
    for (const source of [{ ...encoded, name: folder }, variant])
      sessions.push(await OrtSession.open(source, options));
    const batches = await sampleBatches(dataset, latencyExamples);
    const feeds = batches.map((batch) => feedsFor(sessions[0]!.inputs, batch));
    const [floatMs, variantMs] = (await compareLatency(sessions, feeds, latencyTurns)) as [number, number];
    return { floatMs, variantMs };
  } finally {
    await Promise.all(sessions.map((session) => session.release()));
  }
}

const kindOf = (kind: QuantizationKind, blockBits: 4 | 8): string =>
  ({
    dynamic: "dynamic-int8",
    static: "static-int8",
    "weight-only": `weight-only-int${blockBits}`,
    fp16: "fp16",
  })[kind];

const variantName = (kind: QuantizationKind, blockBits: 4 | 8): string =>
  ({ dynamic: "int8", static: "int8-static", "weight-only": `int${blockBits}-weights`, fp16: "fp16" })[kind];

/** Bytes of a checkpoint's tensors as float32, in which they are computed. */
export async function floatSize(folder: string): Promise<number> {
  const checkpoint = await openCheckpoint(folder);
  try {
    return [...checkpoint.entries.values()].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  } finally {
    await checkpoint.close();
  }
}
