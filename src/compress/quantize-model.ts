/** Quantisation of a stored model: plan, ranges, weights, accuracy, golden outputs and latency of one variant. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import type { QuantizationPlan } from "../graph/passes/quantize.ts";
import { type ConfigJson, readConfig } from "../models/config.ts";
import type { Lineage } from "../store/manifest.ts";
import type { StoredVariant } from "../store/variants.ts";
import { score } from "../train/score.ts";
import type { Dataset, TrainTask } from "../train/task.ts";
import { StoredEvaluation } from "../train/variant-evaluation.ts";
import { isVariantFolder } from "../weights/variant-folder.ts";
import { calibrate, withRanges } from "./calibration.ts";
import { pointsLost } from "./contract.ts";
import type { RangeMethod } from "./histogram.ts";
import { inferenceGraph, planOf, type QuantizationKind, quantizableWeights } from "./quantization-plan.ts";
import { sampleBatches } from "./sample-batches.ts";
import { rankSensitivity, type Sensitivity } from "./sensitivity.ts";
import { storeQuantized } from "./store-quantized.ts";
import { writeVariantWeights } from "./variant-files.ts";

export interface QuantizeRequest {
  /** Folder of the float model, in which the variant is stored. */
  readonly folder: string;
  readonly kind: QuantizationKind;
  /** Labelled examples, as `prepareEvaluation` makes them ready. */
  readonly task: TrainTask;
  readonly dataset: Dataset;
  /** Examples from which ranges are taken; default: of `dataset`. */
  readonly calibration?: Dataset | undefined;
  /** Name of the variant; default by kind: int8, int8-static, int8-weights or int4-weights, fp16. */
  readonly name?: string | undefined;
  /** Points of the task's metric that may be lost; weights stay floats, the most sensitive first, until it holds. Default: any. */
  readonly maxDrop?: number | undefined;
  /** How static ranges are chosen; default "percentile". */
  readonly method?: RangeMethod | undefined;
  /** "qdq" for other runtimes; default "fused". */
  readonly form?: QuantizationPlan["form"];
  /** Bits of weight-only matrices; default 8. */
  readonly blockBits?: 4 | 8 | undefined;
  /** Bits of int8 weights; default 7. */
  readonly weightBits?: 7 | 8 | undefined;
  /** Metrics of the float model on `dataset`, where they are known. */
  readonly floatMetrics?: Readonly<Record<string, number>> | undefined;
  readonly lineage?: Lineage | undefined;
  /** Threads of ONNX Runtime; default all. */
  readonly threads?: number | undefined;
  /** Told what is being done. */
  readonly log?: ((line: string) => void) | undefined;
}

export interface QuantizeResult {
  readonly variant: StoredVariant;
  readonly metric: string;
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
  /** Points of the metric lost. */
  readonly drop: number;
  /** Weights that stay floats for the contract. */
  readonly keptFloat: readonly string[];
  /** All weights by their error, the worst first; only where the contract made it necessary. */
  readonly sensitivity?: readonly Sensitivity[] | undefined;
}

/** Examples from which ranges are taken. */
const calibrationExamples = 128;
/** Examples on which each weight's error is measured. */
const sensitivityExamples = 16;
const batchSize = 32;

/**
 * Makes a variant, measures it and stores it.
 * @throws ConfigError when nothing can be quantised, the folder is itself a variant, or the contract cannot hold.
 */
export async function quantizeModel(request: QuantizeRequest): Promise<QuantizeResult> {
  if (isVariantFolder(request.folder))
    throw new ConfigError(`${request.folder}: is a variant already; quantize the model it belongs to`);
  const work = await mkdtemp(join(tmpdir(), "tesserae-quantize-"));
  try {
    return await new Quantization(request, await readConfig(request.folder), work).run();
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface Candidate {
  readonly plan: QuantizationPlan;
  readonly metrics: Readonly<Record<string, number>>;
  readonly drop: number;
}

class Quantization {
  private readonly log: (line: string) => void;
  private readonly metric: string;

  constructor(
    private readonly request: QuantizeRequest,
    private readonly config: ConfigJson,
    private readonly work: string,
  ) {
    this.log = request.log ?? (() => {});
    this.metric = request.task.bestMetric;
  }

  async run(): Promise<QuantizeResult> {
    const { folder, floatMetrics } = this.request;
    const plan = await this.plan();
    this.log("evaluating the float model");
    const before = floatMetrics ?? (await this.evaluate(folder, { weights: {} }));
    const whole = await this.candidate(plan, before);
    const { best, keptFloat, sensitivity } = await this.keepContract(whole, before);
    this.log("measuring latency and recording golden outputs");
    const measured = { ...best, metric: this.metric, before, keptFloat };
    const variant = await storeQuantized(this.request, this.config, this.work, measured);
    return {
      variant,
      metric: this.metric,
      before,
      after: best.metrics,
      drop: best.drop,
      keptFloat,
      sensitivity,
    };
  }

  /** @throws ConfigError when no weight of the model can be integers. */
  private async plan(): Promise<QuantizationPlan> {
    const { folder, kind, form, weightBits, blockBits = 8, method = "percentile", threads } = this.request;
    const graph = inferenceGraph(this.config, folder);
    const weights = quantizableWeights(graph);
    const plan = {
      ...planOf(weights, kind, blockBits),
      ...(form && { form }),
      ...(weightBits && { weightBits }),
    };
    if (kind !== "fp16" && Object.keys(plan.weights).length === 0)
      throw new ConfigError(`${folder}: has no weight that can be integers; its matrices are too small`);
    if (kind !== "static") return plan;
    const batches = await sampleBatches(
      this.request.calibration ?? this.request.dataset,
      calibrationExamples,
    );
    this.log(`taking ranges from ${batches.length} examples (${method})`);
    return withRanges(
      plan,
      await calibrate({ folder, config: this.config, graph, weights, batches, method, threads }),
    );
  }

  /** The weights of a plan, written to the work folder and measured. */
  private async candidate(plan: QuantizationPlan, before: Candidate["metrics"]): Promise<Candidate> {
    await this.writeWeights(plan, false);
    this.log(`evaluating ${Object.keys(plan.weights).length} quantised weights`);
    return this.measured(plan, before);
  }

  private async measured(plan: QuantizationPlan, before: Candidate["metrics"]): Promise<Candidate> {
    const metrics = await this.evaluate(this.work, plan);
    return { plan, metrics, drop: pointsLost(this.metric, before[this.metric]!, metrics[this.metric]!) };
  }

  private writeWeights(plan: QuantizationPlan, keepFloats: boolean): Promise<void> {
    const { folder, kind } = this.request;
    return writeVariantWeights(this.work, {
      folder,
      config: this.config,
      plan,
      keepFloats,
      isHalf: kind === "fp16",
    });
  }

  /** Keeps 1, 2, 4, … of the most sensitive weights as floats until no more than `maxDrop` is lost. */
  private async keepContract(
    whole: Candidate,
    before: Candidate["metrics"],
  ): Promise<{ best: Candidate; keptFloat: string[]; sensitivity?: Sensitivity[] }> {
    const { maxDrop = Number.POSITIVE_INFINITY } = this.request;
    if (whole.drop <= maxDrop) return { best: whole, keptFloat: [] };
    const sensitivity = await this.rank(whole.plan);
    for (let count = 1; count < sensitivity.length; count *= 2) {
      const keptFloat = sensitivity.slice(0, count).map(({ name }) => name);
      const best = await this.measured(without(whole.plan, keptFloat), before);
      this.log(`${count} weights kept as floats: ${best.drop.toFixed(2)} points lost`);
      if (best.drop > maxDrop) continue;
      await this.writeWeights(best.plan, false);
      return { best, keptFloat, sensitivity };
    }
    throw new ConfigError(
      `quantize: ${whole.drop.toFixed(2)} points of ${this.metric} are lost, ${maxDrop} may be, and keeping weights as ` +
        "floats does not help; allow more, or try another kind",
    );
  }

  /** Writes both forms of every planned weight, and ranks them. */
  private async rank(plan: QuantizationPlan): Promise<Sensitivity[]> {
    this.log(`ranking ${Object.keys(plan.weights).length} weights by their error`);
    await this.writeWeights(plan, true);
    const batches = await sampleBatches(this.request.dataset, sensitivityExamples);
    const { threads } = this.request;
    return rankSensitivity({ weightsFolder: this.work, config: this.config, plan, batches, threads });
  }

  private async evaluate(weightsFolder: string, quantize: QuantizationPlan): Promise<Record<string, number>> {
    const { task, dataset, threads } = this.request;
    const model = new StoredEvaluation({ config: this.config, weightsFolder, quantize, threads });
    try {
      return (await score(model.evaluate, task, dataset, batchSize)).metrics;
    } finally {
      await model.release();
    }
  }
}

const without = (plan: QuantizationPlan, names: readonly string[]): QuantizationPlan => ({
  ...plan,
  weights: Object.fromEntries(Object.entries(plan.weights).filter(([name]) => !names.includes(name))),
});
