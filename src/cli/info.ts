/** `tesserae info`: all that is known of one model. */

import type { Command } from "commander";
import type { GraphCost } from "../graph/cost.ts";
import { readConfig } from "../models/config.ts";
import type { TaskName } from "../models/model.ts";
import { readsPicturesAlone } from "../models/picture-tasks.ts";
import { architectureOf } from "../models/registry.ts";
import { Catalog } from "../store/catalog.ts";
import type { Lineage } from "../store/manifest.ts";
import { listVariants } from "../store/variants.ts";
import { labelsIn } from "../tasks/labels.ts";
import { createCommand, runs, wholeNumber } from "./command.ts";
import { countParameters, describeVariant, fileSizes } from "./describe.ts";
import { showBytes, showCount, showMetrics, showPairs } from "./format.ts";
import { type InputSizes, mostTokens } from "./measure.ts";
import { graphCost, type MeasuredCost, measureCost, showCost } from "./model-cost.ts";

interface ModelInfo {
  readonly ref: string;
  readonly source: string;
  readonly folder: string;
  readonly architecture: string;
  readonly task: string;
  readonly parameters: number;
  readonly labels?: readonly string[];
  readonly createdAt?: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly lineage: Lineage;
  readonly variants: readonly ReturnType<typeof describeVariant>[];
  /** Of one batch of these sizes. */
  readonly cost: GraphCost & InputSizes & { readonly measured?: MeasuredCost };
  /** Bytes by file name. */
  readonly files: Readonly<Record<string, number>>;
}

export function infoCommand(): Command {
  const command = createCommand("info <model>", "Show a model's architecture, size, metrics and origin.", [
    "info reviews@2",
    "info ./my-model --json",
    "info sst2 --batch 8 --length 64 --measure",
  ])
    .argument("<model>", "name, name@version, name@variant, or a folder")
    .option("--batch <size>", "texts or pictures that the cost is told for", wholeNumber(1), 1)
    .option(
      "--length <tokens>",
      "tokens of a text; default: 128, or the most the model takes",
      wholeNumber(1),
    )
    .option("--measure", "run the model on the CPU, for the time and energy of a batch");
  return runs<InfoOptions, [string]>(command, async ({ options, output }, ref) => {
    const info = await readInfo(ref, options);
    output.result(info, showInfo(info));
    return 0;
  });
}

interface InfoOptions {
  readonly batch: number;
  readonly length?: number;
  readonly measure?: boolean;
}

const defaultLength = 128;

/** @throws ConfigError or WeightError when there is no such model or it is damaged. */
async function readInfo(ref: string, { batch, length, measure }: InfoOptions): Promise<ModelInfo> {
  const { manifest, variant, ...model } = await new Catalog().locate(ref);
  const config = await readConfig(model.folder);
  const architecture = architectureOf(config, ref);
  const sizes = { batch, length: length ?? Math.min(defaultLength, mostTokens(config)) };
  return {
    ref: model.ref,
    source: model.source,
    folder: model.folder,
    architecture: architecture.name,
    task: manifest?.task ?? architecture.task,
    parameters: await countParameters(model.folder),
    ...labelsIn(config, architecture.task),
    ...(manifest && { createdAt: manifest.createdAt }),
    metrics: manifest?.metrics ?? {},
    lineage: manifest?.lineage ?? {},
    variants: variant ? [describeVariant(variant)] : (await listVariants(model.folder)).map(describeVariant),
    cost: {
      ...sizes,
      ...graphCost(config, model.folder, sizes),
      ...(measure && { measured: await measureCost(model.folder, sizes) }),
    },
    files: await fileSizes(model.folder),
  };
}

const showSizes = (task: string, { batch, length }: InputSizes): string =>
  readsPicturesAlone(task as TaskName) ? `a batch of ${batch}` : `a batch of ${batch} × ${length} tokens`;

function showInfo({ files, lineage, metrics, variants, cost, ...info }: ModelInfo): string {
  const pairs: [string, string][] = [
    ["model", `${info.ref} (${info.source})`],
    ["folder", info.folder],
    ["architecture", info.architecture],
    ["task", info.task],
    ["parameters", showCount(info.parameters)],
    ...showCost(cost, showSizes(info.task, cost), cost.measured),
  ];
  if (info.labels) pairs.push(["labels", info.labels.join(", ")]);
  if (Object.keys(metrics).length > 0) pairs.push(["metrics", showMetrics(metrics)]);
  if (info.createdAt) pairs.push(["created", info.createdAt]);
  if (lineage.parent) pairs.push(["parent", lineage.parent]);
  if (lineage.command) pairs.push(["command", lineage.command]);
  for (const [path, hash] of Object.entries(lineage.data ?? {})) {
    pairs.push(["data", `${path} (sha256 ${hash.slice(0, 12)})`]);
  }
  for (const { name, kind, sizeBytes, metrics: measured } of variants)
    pairs.push(["variant", `${name} (${kind})  ${showBytes(sizeBytes)}  ${showMetrics(measured)}`]);
  for (const [name, sizeBytes] of Object.entries(files))
    pairs.push(["file", `${name}  ${showBytes(sizeBytes)}`]);
  return showPairs(pairs);
}
