/**
 * What patience buys: accuracy, mean exit layer, and sentences per second one at a time and in batches of 32, against
 * the same model with all its layers in one graph, alternating in one run.
 * Usage: npm run build && node --import tsx bench/early-exit.ts MODEL --data labelled.tsv [--runs 5 --limit 500]
 */

import { parseArgs } from "node:util";
import { readExamples } from "../src/data/read-examples.ts";
import { type OpenModel, openModel } from "../src/models/open.ts";
import type { Feeds } from "../src/runtime/session.ts";
import { readLabels } from "../src/tasks/labels.ts";
import { argmax, rowAt } from "../src/tasks/scores.ts";
import { padBatch } from "../src/text/batch.ts";
import { markdownTable, median } from "./peer.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string" },
    runs: { type: "string", default: "5" },
    limit: { type: "string", default: "500" },
    threads: { type: "string" },
  },
});
const [folder] = positionals;
if (folder === undefined || values.data === undefined)
  throw new Error("usage: early-exit.ts MODEL --data FILE");

interface Item {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
  readonly label: string;
}

/** A batch as the session takes it, and its labels. */
interface Batch {
  readonly feeds: Feeds;
  readonly labels: readonly string[];
}

/** Batches of like length. */
function batchesOf(items: readonly Item[], size: number, { session, tokenizer }: OpenModel): Batch[] {
  const sorted = [...items].sort((a, b) => a.ids.length - b.ids.length);
  return Array.from({ length: Math.ceil(sorted.length / size) }, (_, at) => {
    const part = sorted.slice(at * size, (at + 1) * size);
    const padded = padBatch(part, { padId: tokenizer.padId });
    const feeds = session.inputs.map(({ name }) => [name, padded[name as keyof typeof padded]]);
    return { feeds: Object.fromEntries(feeds), labels: part.map(({ label }) => label) };
  });
}

async function seconds(model: OpenModel, batches: readonly Batch[]): Promise<number> {
  const startMs = performance.now();
  for (const { feeds } of batches) await model.session.run(feeds);
  return (performance.now() - startMs) / 1000;
}

/** Accuracy, and the mean layer at which texts leave where the session says so. */
async function quality(model: OpenModel, batches: readonly Batch[], numLayers: number) {
  const { id2label } = readLabels(model.config, model.folder);
  let [right, layers, count] = [0, 0, 0];
  for (const { feeds, labels } of batches) {
    const { logits, exit_layer } = await model.session.run(feeds);
    for (const [row, label] of labels.entries()) {
      if (id2label[argmax(rowAt(logits!, row))] === label) right++;
      layers += exit_layer ? Number(exit_layer.data[row]) : numLayers;
      count++;
    }
  }
  return { accuracy: right / count, layer: layers / count };
}

const threads = values.threads === undefined ? {} : { threads: Number(values.threads) };
const full = await openModel(folder, { ...threads, patience: 0 });
const numLayers = Number(full.config.num_hidden_layers ?? full.config.n_layers);
const { id2label } = readLabels(full.config, folder);
const { examples } = await readExamples("text-classification", values.data, {});
const items = examples.slice(0, Number(values.limit)).map(({ text, textPair, label }): Item => {
  const { ids, typeIds } = full.tokenizer.encode(text, textPair, {
    maxLength: full.tokenizer.modelMaxLength,
  });
  const name = String(label);
  return { ids, typeIds, label: id2label.includes(name) ? name : id2label[Number(name)]! };
});

/** Medians of seconds for all items, of the whole model and of one with patience in turn, after a round uncounted. */
async function alternate(model: OpenModel, size: number): Promise<{ whole: number; patient: number }> {
  const batches = batchesOf(items, size, full);
  const times = { whole: [] as number[], patient: [] as number[] };
  for (let run = -1; run < Number(values.runs); run++) {
    const pair = { whole: await seconds(full, batches), patient: await seconds(model, batches) };
    if (run < 0) continue;
    times.whole.push(pair.whole);
    times.patient.push(pair.patient);
  }
  return { whole: median(times.whole), patient: median(times.patient) };
}

async function speed(model: OpenModel, size: number): Promise<string> {
  const { whole, patient } = await alternate(model, size);
  return `${Math.round(items.length / patient)}/s, ${(whole / patient).toFixed(2)} ×`;
}

const rows: string[][] = [];
for (let patience = 0; patience < numLayers; patience++) {
  const model = await openModel(folder, { ...threads, patience });
  const { accuracy, layer } = await quality(model, batchesOf(items, 32, model), numLayers);
  rows.push([
    patience === 0 ? `all ${numLayers} layers` : String(patience),
    `${(100 * accuracy).toFixed(2)} %`,
    layer.toFixed(2),
    await speed(model, 1),
    await speed(model, 32),
  ]);
  await model.session.release();
}
console.log(
  markdownTable(["patience", "accuracy", "mean exit layer", "one at a time", "batches of 32"], rows),
);
process.exit(0);
