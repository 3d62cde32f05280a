/** `tesserae quantize`: a variant of a model in integers or half precision, measured and stored beside it. */

import { statSync } from "node:fs";
import { type Command, Option } from "commander";
import { hasIntegerDotProducts } from "../compress/cpu.ts";
import type { RangeMethod } from "../compress/histogram.ts";
import { type QuantizationKind, quantizationKinds } from "../compress/quantization-plan.ts";
import { type QuantizeResult, quantizeModel } from "../compress/quantize-model.ts";
import type { Sensitivity } from "../compress/sensitivity.ts";
import { readConfig } from "../models/config.ts";
import { Catalog } from "../store/catalog.ts";
import { hashFile } from "../store/manifest.ts";
import { commandLine, createCommand, numberFrom, runs, wholeNumber } from "./command.ts";
import { noteData } from "./data-options.ts";
import { addEvaluationOptions, type EvaluationFlags, prepareEvaluationData } from "./evaluation-data.ts";
import { showMetric, showPairs, showTable } from "./format.ts";

interface QuantizeOptions extends EvaluationFlags {
  readonly kind: QuantizationKind;
  readonly name?: string;
  readonly maxDrop?: number;
  readonly calibration?: string;
  readonly range?: RangeMethod;
  readonly bits?: "4" | "8";
  readonly weightBits?: "7" | "8";
  readonly qdq?: boolean;
  readonly threads?: number;
}

const ranges: readonly RangeMethod[] = ["min-max", "percentile", "entropy"];

export function quantizeCommand(): Command {
  const command = createCommand("quantize <model>", "Store a smaller, faster variant of a model.", [
    "quantize sst2 --data dev.tsv",
    "quantize reviews@2 --data dev.csv --kind static --max-drop 0.5",
    "predict reviews@int8 'A film that stays with you'",
  ])
    .argument("<model>", "name, name@version, or a folder")
    .addOption(
      new Option("--kind <kind>", "how products are computed").choices(quantizationKinds).default("dynamic"),
    )
    .option("--name <name>", "of the variant; default: int8, int8-static, int8-weights, int4-weights, fp16")
    .option(
      "--max-drop <points>",
      "points of the task's metric that may be lost; the most sensitive weights stay floats until it holds",
      numberFrom(0),
    )
    .option("--calibration <file>", "static: examples from which ranges are taken; default: those of --data")
    .addOption(
      new Option("--range <method>", "static: how ranges are chosen; default: percentile").choices(ranges),
    )
    .addOption(new Option("--bits <bits>", "weight-only: bits of a weight; default: 8").choices(["4", "8"]))
    .addOption(
      new Option(
        "--weight-bits <bits>",
        "dynamic, static: 7 gives the same sums on every CPU; default: 7",
      ).choices(["7", "8"]),
    )
    .option("--qdq", "static: in the form that other runtimes know")
    .option("--threads <number>", "threads of ONNX Runtime; default: all", wholeNumber(1));
  addEvaluationOptions(command);
  return runs<QuantizeOptions, [string]>(command, async ({ options, output }, ref) => {
    const catalog = new Catalog();
    const { folder, source, ref: known } = await catalog.adopt(await catalog.locate(ref));
    const parent = source === "folder" ? ref : known;
    const config = await readConfig(folder);
    const { task, dataset, badRows, truncated } = await prepareEvaluationData(folder, config, options);
    noteData(output, badRows, truncated);
    const { calibration: path } = options;
    const calibration =
      path && (await prepareEvaluationData(folder, config, { ...options, data: path })).dataset;
    output.note(weightBitsNote(options));
    const result = await quantizeModel({
      ...requestOf(options),
      folder,
      task,
      dataset,
      ...(calibration && { calibration }),
      lineage: { parent, command: commandLine(), data: await hashesOf(options) },
      log: (line) => output.note(line),
    });
    output.result(documentOf(parent, result), showResult(parent, result));
    return 0;
  });
}

const requestOf = ({ kind, name, maxDrop, range, bits, weightBits, qdq, threads }: QuantizeOptions) => ({
  kind,
  name,
  maxDrop,
  method: range,
  threads,
  blockBits: bits && bitsOf(bits, 4),
  weightBits: weightBits && bitsOf(weightBits, 7),
  form: qdq ? ("qdq" as const) : undefined,
});

/** The number of a choice between `few` and 8 bits. */
const bitsOf = <Few extends 4 | 7>(text: string, few: Few): Few | 8 => (text === String(few) ? few : 8);

/** Says which range of integers weights get, and what it means on other machines. */
function weightBitsNote({ kind, weightBits }: QuantizeOptions): string {
  if (kind === "fp16" || kind === "weight-only") return `${kind}: sums are of floats by row or block`;
  if (weightBits !== "8") return "weights of 7 bits, whose sums are the same on every CPU";
  return hasIntegerDotProducts()
    ? "weights of 8 bits: CPUs without VNNI will refuse this variant"
    : "weights of 8 bits: this CPU lacks VNNI and will refuse this variant; leave --weight-bits out";
}

/** Of the data that are files; folders of pictures have no hash of their own. */
async function hashesOf({ data, calibration }: QuantizeOptions): Promise<Record<string, string>> {
  const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  const paths = [data, ...(calibration ? [calibration] : [])].filter(isFile);
  const hashes = paths.map(async (path) => [path, (await hashFile(path)).sha256] as const);
  return Object.fromEntries(await Promise.all(hashes));
}

/** How to ask for the variant. */
const refOf = (parent: string, { variant }: QuantizeResult): string =>
  `${parent}${parent.includes("@") ? ":" : "@"}${variant.name}`;

const documentOf = (parent: string, { variant, ...result }: QuantizeResult) => ({
  ref: refOf(parent, { variant, ...result }),
  folder: variant.folder,
  ...result,
  measured: variant.record.metrics,
});

/** Rows of the sensitivity report that are shown. */
const shownWeights = 10;

function showResult(parent: string, result: QuantizeResult): string {
  const { metric, before, after, drop, keptFloat, sensitivity, variant } = result;
  const { latency_ms, speedup, size_ratio } = variant.record.metrics;
  const pairs: [string, string][] = [
    ["variant", refOf(parent, result)],
    [
      metric,
      `${showMetric(before[metric]!)} → ${showMetric(after[metric]!)} (${drop.toFixed(2)} points lost)`,
    ],
    ["size", `${size_ratio!.toFixed(2)} × smaller`],
    [
      "latency",
      `${latency_ms!.toFixed(2)} ms an example, ${speedup!.toFixed(2)} × the speed of the float model`,
    ],
    ["tolerance", showMetric(variant.record.tolerance)],
  ];
  if (keptFloat.length > 0) pairs.push(["kept float", keptFloat.join(", ")]);
  const report = sensitivity ? `\n\n${showSensitivity(sensitivity)}` : "";
  return `${showPairs(pairs)}${report}`;
}

function showSensitivity(sensitivity: readonly Sensitivity[]): string {
  const rows = sensitivity
    .slice(0, shownWeights)
    .map(({ name, kl, mse, cosine }) => [name, kl.toExponential(2), mse.toExponential(2), cosine.toFixed(6)]);
  return showTable(["WEIGHT", "KL", "MSE", "COSINE"], rows, [1, 2, 3]);
}
