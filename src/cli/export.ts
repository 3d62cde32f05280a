/** `tesserae export`: a model for other runtimes. */

import { type Command, InvalidArgumentError, Option } from "commander";
import { precisions as knownPrecisions, type Precision } from "../export/assemble.ts";
import { type ExportFormat, exportFormats, exportModel } from "../export/export.ts";
import { Catalog } from "../store/catalog.ts";
import { listFiles } from "../store/manifest.ts";
import { createCommand, runs } from "./command.ts";
import { sizesOf } from "./describe.ts";
import { showBytes, showPairs } from "./format.ts";

interface ExportFlags {
  readonly format: ExportFormat;
  readonly out: string;
  readonly precision: readonly Precision[];
  readonly name?: string;
}

export function exportCommand(): Command {
  const command = createCommand(
    "export <model>",
    "Write a model as ONNX, for transformers.js or for Triton Inference Server.",
    [
      "export sst2 --format onnx --out sst2-onnx",
      "export sst2 --format transformers.js --precision fp32,fp16 --out web/models/sst2",
      "export sst2 --format triton --out repository",
    ],
  )
    .argument("<model>", "name, name@version, or a folder")
    .addOption(new Option("--format <format>", "what to write").choices(exportFormats).makeOptionMandatory())
    .requiredOption("--out <folder>", "a new folder")
    .option(
      "--precision <names>",
      `how weights are stored: ${knownPrecisions.join(", ")}; transformers.js takes several, separated by commas`,
      precisionList,
      ["fp32"],
    )
    .option("--name <name>", "name in the model's metadata and for Triton; default: the model's");
  return runs<ExportFlags, [string]>(command, async ({ options, output }, ref) => {
    const { format, out, precision: precisions } = options;
    const found = await new Catalog().locate(ref);
    const name = options.name ?? found.name;
    await exportModel(found.folder, out, { format, name, precisions });
    const files = await sizesOf(out, await listFiles(out));
    const pairs = Object.entries(files).map(([file, size]): [string, string] => [file, showBytes(size)]);
    output.result({ model: found.ref, format, folder: out, files }, showPairs([[out, format], ...pairs]));
    return 0;
  });
}

function precisionList(text: string): Precision[] {
  return text.split(",").map((name) => {
    const known = knownPrecisions.find((precision) => precision === name);
    if (known) return known;
    throw new InvalidArgumentError(`It must be of ${knownPrecisions.join(", ")}, or several with commas.`);
  });
}
