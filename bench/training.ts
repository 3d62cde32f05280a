/**
 * Training step time and peak memory against PyTorch, with AdamW and clipping, alternating in one run.
 * PyTorch is Debian's: apt-get install python3-torch libopenblas0-pthread.
 * Usage: npm run bench:training [-- --runs 5]
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { availableThreads } from "../src/runtime/index.ts";
import { alternate, markdownTable, megabytes, milliseconds, Peer } from "./peer.ts";
import type { TrainingSize } from "./tesserae-training.ts";

const { values } = parseArgs({ options: { runs: { type: "string", default: "5" } } });
const threads = availableThreads();
const base = {
  layers: 12,
  hidden: 768,
  heads: 12,
  intermediate: 3072,
  vocab: 30522,
  batch: 8,
  length: 128,
  threads,
};
const small = {
  layers: 4,
  hidden: 256,
  heads: 4,
  intermediate: 1024,
  vocab: 30522,
  batch: 32,
  length: 64,
  threads,
};
const sizes: Record<string, TrainingSize> = {
  "BERT-base, 8 × 128": { ...base, dropout: 0.1 },
  "BERT-base, 8 × 128, no dropout": { ...base, dropout: 0 },
  "BERT 4 × 256, 32 × 64": { ...small, dropout: 0.1 },
  "BERT 4 × 256, 32 × 64, no dropout": { ...small, dropout: 0 },
};

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const rows: string[][] = [];
for (const [name, size] of Object.entries(sizes)) {
  const argument = JSON.stringify(size);
  const theirs = await Peer.start("/usr/bin/python3", [path("torch_training.py"), argument]);
  if (!theirs) {
    console.log("skipped: PyTorch is not installed (apt-get install python3-torch libopenblas0-pthread)");
    break;
  }
  const ours = await Peer.start(process.execPath, [
    "--import",
    "tsx",
    path("tesserae-training.ts"),
    argument,
  ]);
  if (!ours) throw new Error("the training program did not start");
  const result = await alternate(ours, theirs, Number(values.runs), 2);
  ours.stop();
  theirs.stop();
  rows.push([
    name,
    milliseconds(result.ours.seconds),
    milliseconds(result.theirs.seconds),
    (result.ours.seconds / result.theirs.seconds).toFixed(2),
    megabytes(result.ours.peakBytes),
    megabytes(result.theirs.peakBytes),
    (result.ours.peakBytes / result.theirs.peakBytes).toFixed(2),
  ]);
}
if (rows.length > 0) {
  console.log(
    markdownTable(
      ["training step", "Tesserae", "PyTorch", "time ratio", "peak memory", "PyTorch", "memory ratio"],
      rows,
    ),
  );
}
process.exit(0);
