/**
 * BERT-base inference against transformers.js on the same random weights, alternating in one run: forward passes, real
 * sentences through the pipelines, and opening from disk to the first answer.
 * Usage: npm run bench:inference [-- --runs 7 --data folder]; `data` holds sst2/ and squad/, default ../shared/data.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readExamples } from "../src/data/read-examples.ts";
import { bertTokenizerJson } from "../src/text/bert-vocab.ts";
import { loadTokenizer } from "../src/text/load-tokenizer.ts";
import { Tokenizer } from "../src/text/tokenizer.ts";
import {
  type Answer,
  alternate,
  type Comparison,
  markdownTable,
  median,
  megabytes,
  milliseconds,
  Peer,
} from "./peer.ts";
import { bertBase, writeBert } from "./write-bert.ts";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "7" }, data: { type: "string", default: "../shared/data" } },
});
const runs = Number(values.runs);
const data = resolve(values.data);
const scratch = mkdtempSync(join(tmpdir(), "tesserae-bench-"));
const folder = join(scratch, "bert-base");
const worker = fileURLToPath(new URL("./inference-worker.mjs", import.meta.url));

/** The real vocabulary where it is there; else one of the same size whose words do not matter to forward passes. */
async function tokenizer(): Promise<Tokenizer> {
  const path = join(data, "vocab", "bert-base-uncased");
  if (existsSync(path)) return loadTokenizer(path);
  const words = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    ...Array.from({ length: 30517 }, (_, at) => `word${at}`),
  ];
  return new Tokenizer(bertTokenizerJson(words.join("\n"), {}, "vocab.txt"));
}

const row = (name: string, { ours, theirs }: Comparison): string[] => [
  name,
  milliseconds(ours.seconds),
  milliseconds(theirs.seconds),
  (ours.seconds / theirs.seconds).toFixed(2),
  megabytes(ours.peakBytes),
  megabytes(theirs.peakBytes),
  (ours.peakBytes / theirs.peakBytes).toFixed(2),
];

async function measure(name: string, work: object): Promise<string[]> {
  const start = async (library: string): Promise<Peer> => {
    const peer = await Peer.start(process.execPath, [worker, library, folder, JSON.stringify(work)]);
    if (!peer) throw new Error(`${library} did not start`);
    return peer;
  };
  const [ours, theirs] = [await start("tesserae"), await start("transformers.js")];
  const result = await alternate(ours, theirs, runs, 2);
  ours.stop();
  theirs.stop();
  return row(name, result);
}

/** Whole processes, from their start to the first answer. */
function measureOpening(name: string, work: object): string[] {
  const once = (library: string): Answer =>
    JSON.parse(
      execFileSync(process.execPath, [worker, library, folder, JSON.stringify({ ...work, once: true })], {
        encoding: "utf8",
      }),
    );
  const answers = { ours: [] as Answer[], theirs: [] as Answer[] };
  for (let run = -1; run < runs; run++) {
    const pair = { ours: once("tesserae"), theirs: once("transformers.js") };
    if (run < 0) continue; // reads the files into the page cache
    answers.ours.push(pair.ours);
    answers.theirs.push(pair.theirs);
  }
  const middle = (all: Answer[]): Answer => ({
    seconds: median(all.map(({ seconds }) => seconds)),
    peakBytes: median(all.map(({ peakBytes }) => peakBytes)),
  });
  return row(name, { ours: middle(answers.ours), theirs: middle(answers.theirs) });
}

/** Half sentences of SST-2, half questions with their paragraphs' first sentences of SQuAD: mixed lengths. */
async function mixedTexts(count: number): Promise<string[]> {
  const sst2 = await readExamples("text-classification", join(data, "sst2", "dev.tsv"), {});
  const squad = await readExamples("question-answering", join(data, "squad", "dev-v1.1.json.gz"), {});
  const sentences = sst2.examples.slice(0, count / 2).map(({ text }) => text);
  const questions = squad.examples.filter((_, at) => at % 40 === 0).slice(0, count / 2);
  const passages = questions.map(({ question, context }) => `${question} ${context.split(/(?<=\.) /)[0]}`);
  return sentences
    .flatMap((sentence, at) => [sentence, passages[at]!])
    .map((text) => text.replaceAll("\n", " "));
}

try {
  await writeBert(folder, bertBase, await tokenizer());
  const rows = [
    await measure("forward, 1 × 16", { batch: 1, length: 16 }),
    await measure("forward, 1 × 128", { batch: 1, length: 128 }),
    await measure("forward, 8 × 128", { batch: 8, length: 128 }),
  ];
  if (existsSync(join(data, "sst2"))) {
    const texts = join(scratch, "texts.txt");
    const lines = await mixedTexts(256);
    writeFileSync(texts, lines.join("\n"));
    rows.push(await measure(`pipeline, ${lines.length} sentences of SST-2 and SQuAD`, { texts }));
    writeFileSync(join(scratch, "one.txt"), lines[0]!);
    rows.push(measureOpening("process start to first answer", { texts: join(scratch, "one.txt") }));
  } else console.log(`pipeline: skipped, ${data} has no sst2/ (give --data)`);
  const header = [
    "BERT-base",
    "Tesserae",
    "transformers.js",
    "time ratio",
    "peak memory",
    "transformers.js",
    "memory ratio",
  ];
  console.log(markdownTable(header, rows));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(0);
