/** Runs reference cases and reports how far each is from what it expects. */

import { basename } from "node:path";
import { TesseraeError } from "../errors.ts";
import { runAttention } from "./attention.ts";
import { type CaseRunner, type ParityCase, readCase } from "./case.ts";
import { type Comparison, compareCase } from "./compare.ts";
import { runContrastive } from "./contrastive.ts";
import { runCrf } from "./crf.ts";
import { runDistillation } from "./distillation.ts";
import { runEarlyExit } from "./early-exit.ts";
import { runGatedAttention, runPerceiver } from "./flamingo.ts";
import { runGeneration } from "./generation.ts";
import { runImageGeneration } from "./image-generation.ts";
import { isOfSeveralSizes, runImageSizes } from "./image-sizes.ts";
import { runPreprocessing } from "./images.ts";
import { runModel } from "./models.ts";
import { runAdamW, runSchedules } from "./optimizers.ts";
import { runPatchify } from "./patchify.ts";
import { runPositions } from "./positions.ts";
import { runShapes } from "./shapes.ts";
import { runTorchTransformer } from "./torch-transformer.ts";

export interface CaseReport {
  readonly name: string;
  readonly status: "passed" | "failed" | "unsupported" | "error";
  /** The tensor with the largest error over its tolerance. */
  readonly worst?: Comparison;
  readonly compared: number;
  readonly failures: readonly Comparison[];
  readonly message?: string;
}

/** Cases that are no model of the registry, by `model_type` or `model` of the config or by family. */
const runners: Readonly<Record<string, CaseRunner>> = {
  "attention-op": runAttention,
  adamw: runAdamW,
  "contrastive-losses": runContrastive,
  crf: runCrf,
  "distil-loss": runDistillation,
  "gated-cross-attention": runGatedAttention,
  "perceiver-resampler": runPerceiver,
  "image-preprocessing": runPreprocessing,
  "lr-schedules": runSchedules,
  "torch-nn-transformer": runTorchTransformer,
  patchify: runPatchify,
  "position-encodings": runPositions,
};

/** One pass of a model's `forward`, what it generates, and where it exits early. */
const runWholeModel: CaseRunner = async (parityCase) =>
  new Map([
    ...(await runModel(parityCase)),
    ...(await runGeneration(parityCase)),
    ...(await runImageGeneration(parityCase)),
    ...(await runEarlyExit(parityCase)),
  ]);

function runnerOf({ config, family, inputs, isOfNumbers }: ParityCase): CaseRunner {
  if (isOfNumbers) return runShapes;
  if (isOfSeveralSizes(inputs)) return runImageSizes;
  return runners[String(config.model_type ?? config.model ?? family)] ?? runWholeModel;
}

/** Runs one case; never throws for a case that is unsupported or damaged. */
export async function runCase(folder: string): Promise<CaseReport> {
  try {
    const parityCase = await readCase(folder);
    const comparisons = compareCase(parityCase, await runnerOf(parityCase)(parityCase));
    return reportOf(parityCase.name, comparisons);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const isUnsupported = error instanceof TesseraeError && error.code === "unsupported";
    const status = isUnsupported ? "unsupported" : "error";
    return { name: basename(folder), status, compared: 0, failures: [], message: error.message };
  }
}

const excess = ({ error, allowed }: Comparison): number => {
  const ratio = allowed === 0 ? (error === 0 ? 0 : Number.POSITIVE_INFINITY) : error / allowed;
  return Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio;
};

function reportOf(name: string, comparisons: readonly Comparison[]): CaseReport {
  const [worst] = [...comparisons].sort((a, b) => excess(b) - excess(a));
  const failures = comparisons.filter(({ passed }) => !passed);
  const status = failures.length === 0 && comparisons.length > 0 ? "passed" : "failed";
  return { name, status, compared: comparisons.length, failures, ...(worst && { worst }) };
}

/** One line: name, status, and the largest error as a multiple of its tolerance. */
export function reportLine({ name, status, worst, compared, failures, message }: CaseReport): string {
  if (!worst) return `${status.toUpperCase()} ${name}: ${message ?? "nothing to compare"}`;
  const where = worst.problem ?? `${worst.error.toExponential(2)} = ${excess(worst).toFixed(3)} × tolerance`;
  const count =
    failures.length > 0
      ? `${failures.length} of ${compared} tensors differ, worst `
      : `${compared} tensors, worst `;
  return `${status.toUpperCase()} ${name}: ${count}${worst.name}: ${where}`;
}
