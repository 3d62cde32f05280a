/** `tesserae index`: vectors of the pictures of a folder, or of texts, in which `tesserae search` looks. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { type IndexEntries, readEntries } from "../retrieval/index-entries.ts";
import { assertOwnFolder } from "../retrieval/index-file.ts";
import { indexFolder, locateEncoder } from "../retrieval/index-folder.ts";
import { openPairEncoder } from "../retrieval/pair-encoder.ts";
import { type UpdateReport, updateIndex } from "../retrieval/update-index.ts";
import { Catalog } from "../store/catalog.ts";
import { createCommand, interruptSignal, runs } from "./command.ts";
import { noteData } from "./data-options.ts";
import { addDeviceOptions, type DeviceFlags, deviceOptions } from "./device-options.ts";
import { showCount } from "./format.ts";
import type { Output } from "./output.ts";
import { Progress } from "./progress.ts";

interface IndexFlags extends DeviceFlags {
  readonly model: string;
  readonly out: string;
  readonly captions?: boolean;
  readonly captionColumn?: readonly string[];
  readonly imageColumn?: string;
}

export function indexCommand(): Command {
  const command = createCommand(
    "index <data>",
    "Index pictures or texts for tesserae search; run again, only what is new or changed is computed.",
    [
      "index photos/ --model openai/clip-vit-base-patch32 --out photos",
      "index pairs.tar --captions --model ./clip --out ./caption-index",
      "index lines.txt --model my-clip --out lines",
    ],
  )
    .argument(
      "<data>",
      "a folder of pictures, a data set (.tar, .parquet, .csv, .jsonl), or texts by line (.txt)",
    )
    .requiredOption("--model <model>", "a CLIP or a BLIP that matches: name, name@version, or a folder")
    .requiredOption("--out <name>", "the index: a name in the store, or a path with /")
    .option("--captions", "index what is said of the pictures, not the pictures")
    .option("--caption-column <names>", "default: captions, caption, text …", (text) =>
      text.split(",").map((name) => name.trim()),
    )
    .option("--image-column <name>", "column of paths; default: image, path, file …");
  addDeviceOptions(command);
  return runs<IndexFlags, [string]>(command, async ({ options, output }, path) => {
    const folder = indexFolder(options.out);
    await assertOwnFolder(folder);
    const read = await readEntries(resolve(path), options);
    const { report, isStopped } = await update(folder, resolve(path), read, options, output);
    const badRows = [...read.badRows, ...report.badRows];
    noteData(output, badRows, 0);
    output.result({ folder, ...report, badRows }, showReport(folder, report));
    return isStopped ? 1 : 0;
  });
}

async function update(
  folder: string,
  data: string,
  { entries }: IndexEntries,
  options: IndexFlags,
  output: Output,
): Promise<{ report: UpdateReport; isStopped: boolean }> {
  const { folder: model, ...about } = await locateEncoder(options.model, new Catalog());
  const encoder = await openPairEncoder(model, deviceOptions(options));
  const progress = new Progress(output, "index", entries.length, "items");
  const { signal, dispose } = interruptSignal(() => progress.say("stopping: what is done is kept"));
  try {
    const report = await updateIndex(folder, { ...about, data }, entries, encoder, {
      signal,
      onItem: (done) => progress.update(done),
    });
    return { report, isStopped: signal.aborted };
  } finally {
    progress.finish();
    dispose();
    await encoder.release();
  }
}

const showReport = (folder: string, { items, computed, removed }: UpdateReport): string =>
  `${folder}: ${showCount(items)} items, ${showCount(computed)} computed, ${showCount(removed)} removed`;
