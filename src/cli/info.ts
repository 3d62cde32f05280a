/** `tesserae info`: all that is known of one model. */

import type { Command } from "commander";
import { readConfig } from "../models/config.ts";
import { architectureOf } from "../models/registry.ts";
import { Catalog } from "../store/catalog.ts";
import type { Lineage } from "../store/manifest.ts";
import { listVariants } from "../store/variants.ts";
import { labelsIn } from "../tasks/labels.ts";
import { createCommand, runs } from "./command.ts";
import { countParameters, describeVariant, fileSizes } from "./describe.ts";
import { showBytes, showCount, showMetrics, showPairs } from "./format.ts";

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
  /** Bytes by file name. */
  readonly files: Readonly<Record<string, number>>;
}

export function infoCommand(): Command {
  const command = createCommand("info <model>", "Show a model's architecture, size, metrics and origin.", [
    "info reviews@2",
    "info ./my-model --json",
  ]).argument("<model>", "name, name@version, name@variant, or a folder");
  return runs<object, [string]>(command, async ({ output }, ref) => {
    const info = await readInfo(ref);
    output.result(info, showInfo(info));
    return 0;
  });
}

/** @throws ConfigError or WeightError when there is no such model or it is damaged. */
async function readInfo(ref: string): Promise<ModelInfo> {
  const { manifest, variant, ...model } = await new Catalog().locate(ref);
  const config = await readConfig(model.folder);
  const architecture = architectureOf(config, ref);
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
    files: await fileSizes(model.folder),
  };
}

function showInfo({ files, lineage, metrics, variants, ...info }: ModelInfo): string {
  const pairs: [string, string][] = [
    ["model", `${info.ref} (${info.source})`],
    ["folder", info.folder],
    ["architecture", info.architecture],
    ["task", info.task],
    ["parameters", showCount(info.parameters)],
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
