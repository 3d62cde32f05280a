/** Model folders for other runtimes: one ONNX file, a folder for transformers.js, a model repository for Triton. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { type ConfigJson, readConfig } from "../models/config.ts";
import type { Architecture } from "../models/model.ts";
import { architectureOf } from "../models/registry.ts";
import { isVariantFolder } from "../weights/variant-folder.ts";
import { assemble, type Precision } from "./assemble.ts";
import { writeFolder } from "./folder.ts";
import { type FilePlan, wholeGraph } from "./model-graphs.ts";
import { type WriteOnnxOptions, writeOnnxFile } from "./onnx-file.ts";
import { withMetadata } from "./onnx-model.ts";
import { fileSuffixes, transformersJsGraphs, writeTransformersJsFiles } from "./transformers-js.ts";
import { tritonConfig } from "./triton.ts";
import { WeightSource } from "./weights.ts";

export const exportFormats = ["onnx", "transformers.js", "triton"] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportOptions extends WriteOnnxOptions {
  readonly format: ExportFormat;
  /** The model's name in its metadata and for Triton. */
  readonly name: string;
  /** transformers.js takes several, which become files beside each other; others one. Default fp32. */
  readonly precisions?: readonly Precision[];
}

/** What all formats need to know of a model. */
interface Source {
  readonly folder: string;
  readonly config: ConfigJson;
  readonly architecture: Architecture;
  readonly weights: WeightSource;
  readonly options: ExportOptions;
}

/**
 * Writes a model folder's model into a new folder `out`, which appears when it is whole.
 * @throws ConfigError when `out` has files in it, `folder` is a variant's, several precisions are given to a format of one, or the format does
 * not know such a model (code unsupported); WeightError when the checkpoint is incomplete.
 */
export async function exportModel(folder: string, out: string, options: ExportOptions): Promise<void> {
  const { format, precisions = ["fp32"] } = options;
  if (isVariantFolder(folder)) {
    throw new ConfigError(
      "export: a variant is not exported; name its model, with --precision for smaller weights",
    );
  }
  const config = await readConfig(folder);
  const architecture = architectureOf(config, folder);
  const [precision = "fp32", ...others] = precisions;
  if (format !== "transformers.js" && others.length > 0) {
    throw new ConfigError(`export: --format ${format} takes one precision, got ${precisions.join(", ")}`);
  }
  const weights = await WeightSource.open(folder);
  const source: Source = { folder, config, architecture, weights, options };
  try {
    await writeFolder(out, async (staged) => {
      if (format === "onnx") await writeModel(staged, source, wholeGraph(architecture, config), precision);
      else if (format === "triton") await writeTriton(staged, source, precision);
      else await writeTransformersJs(staged, source, precisions);
    });
  } finally {
    await weights.close();
  }
}

async function writeTriton(staged: string, source: Source, precision: Precision): Promise<void> {
  const { architecture, config, options } = source;
  const plan = wholeGraph(architecture, config);
  const version = join(staged, options.name, "1");
  await mkdir(version, { recursive: true });
  await writeFile(join(staged, options.name, "config.pbtxt"), tritonConfig(options.name, plan.graph));
  await writeModel(version, source, plan, precision);
}

async function writeTransformersJs(
  staged: string,
  source: Source,
  precisions: readonly Precision[],
): Promise<void> {
  const { architecture, config, folder } = source;
  const plans = transformersJsGraphs(architecture, config);
  const onnx = join(staged, "onnx");
  await mkdir(onnx, { recursive: true });
  const withData: string[] = [];
  for (const precision of precisions) {
    for (const plan of plans) {
      const named = { ...plan, name: `${plan.name}${fileSuffixes[precision]}` };
      const [file, data] = await writeModel(onnx, source, named, precision);
      if (data !== undefined) withData.push(file!);
    }
  }
  await writeTransformersJsFiles(staged, folder, architecture, config, withData);
}

/** Writes one graph with its weights; returns the names of the files. */
async function writeModel(
  folder: string,
  { weights, options }: Source,
  { name, graph, architecture }: FilePlan,
  precision: Precision,
): Promise<string[]> {
  const assembled = assemble(graph, precision, architecture, weights);
  const { name: architectureName, task } = architecture;
  const model = withMetadata(assembled.model, {
    name: options.name,
    architecture: architectureName,
    task,
    precision,
  });
  return writeOnnxFile(join(folder, `${name}.onnx`), model, assembled.weights, options);
}
