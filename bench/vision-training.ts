/**
 * Training of picture models: steps (forward, backward, clipping, AdamW; batch norm with the batch's statistics, nothing
 * dropped) against PyTorch, alternating in one run; and the training loop over JPEG shards against the same loop over
 * tensors in memory.
 * Usage: npm run build && node --import tsx bench/vision-training.ts [--runs 5 --data folder]; `data` holds coco_mini/
 * with the photos, default ../shared/data.
 */

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { availableThreads } from "../src/runtime/index.ts";
import { feedingRow } from "./image-feeding.ts";
import { alternate, markdownTable, megabytes, milliseconds, Peer } from "./peer.ts";
import type { VisionTraining } from "./tesserae-vision.ts";
import { checkParameters, startTorch } from "./torch-vision.ts";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "5" }, data: { type: "string", default: "../shared/data" } },
});
const runs = Number(values.runs);
const worker = fileURLToPath(new URL("./tesserae-vision.ts", import.meta.url));
const batch = 16;

async function stepRow(model: string): Promise<string[] | undefined> {
  const theirs = await startTorch(model, batch, true);
  if (!theirs) return undefined;
  const work: VisionTraining = { model, batch, threads: availableThreads() };
  const ours = await Peer.start(process.execPath, ["--import", "tsx", worker, JSON.stringify(work)]);
  if (!ours) throw new Error("the training program did not start");
  const result = await alternate(ours, theirs, runs, 2);
  ours.stop();
  theirs.stop();
  checkParameters(model, result.theirs);
  return [
    `${model}, batch ${batch}`,
    milliseconds(result.ours.seconds),
    milliseconds(result.theirs.seconds),
    (result.ours.seconds / result.theirs.seconds).toFixed(2),
    megabytes(result.ours.peakBytes),
    megabytes(result.theirs.peakBytes),
  ];
}

const rows: string[][] = [];
for (const model of ["ViT-S/16", "CvT-13", "MobileViT-S"]) {
  const row = await stepRow(model);
  if (row) rows.push(row);
}
const header = ["training step", "Tesserae", "PyTorch", "ratio", "peak memory", "PyTorch"];
if (rows.length > 0) console.log(`${markdownTable(header, rows)}\n`);

const feeding = await feedingRow("ViT-S/16", {
  batch,
  runs: Math.ceil(runs / 2),
  data: resolve(values.data),
});
console.log(markdownTable(["pictures a second", "JPEG shards", "tensors in memory", "ratio"], [feeding]));
process.exit(0);
