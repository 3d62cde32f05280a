/**
 * Time per token of greedy generation against transformers.js over the folder that we export for it, on the same random
 * weights and alternating in one run. Ids must be equal.
 * Usage: npm run build && node --import tsx bench/export-generation.ts [--runs 5] [--models gpt2,opus-mt]
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exportModel } from "../src/export/export.ts";
import type { ConfigJson } from "../src/models/config.ts";
import { marianConfigs } from "../src/models/marian.ts";
import { bertTokenizerJson } from "../src/text/bert-vocab.ts";
import { Tokenizer } from "../src/text/tokenizer.ts";
import { alternate, markdownTable, megabytes, Peer } from "./peer.ts";
import { writeRandom } from "./write-random.ts";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "5" }, models: { type: "string", default: "gpt2,opus-mt" } },
});
const tokens = 48;
const worker = fileURLToPath(new URL("./generation-worker.mjs", import.meta.url));

interface Model {
  readonly config: ConfigJson;
  readonly work: { readonly ids: readonly number[]; readonly tokens: number; readonly isSource?: boolean };
}

const models: Readonly<Record<string, Model>> = {
  gpt2: {
    config: { architectures: ["GPT2LMHeadModel"], model_type: "gpt2", eos_token_id: 50256 },
    work: { ids: [464, 3290, 4966, 319, 262, 10481], tokens },
  },
  "opus-mt": {
    config: {
      architectures: ["MarianMTModel"],
      model_type: "marian",
      ...marianConfigs["opus-mt-de-en"],
      vocab_size: 58101,
      pad_token_id: 58100,
      decoder_start_token_id: 58100,
      eos_token_id: 0,
      init_std: 0.1,
    },
    work: { ids: [12, 874, 33, 5120, 97, 2, 411, 7, 65, 0], tokens, isSource: true },
  },
};

/** Writes a model of random weights and, beside it, the folder for transformers.js. */
async function write(folder: string, exported: string, config: ConfigJson): Promise<void> {
  await writeRandom(folder, config);
  const vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].join("\n"); // ids are given, words do not matter
  await new Tokenizer(bertTokenizerJson(vocabulary, {}, "vocab.txt")).save(folder);
  await exportModel(folder, exported, { format: "transformers.js", name: "bench" });
}

const scratch = await mkdtemp(join(tmpdir(), "tesserae-bench-"));
const rows: string[][] = [];
try {
  for (const name of values.models.split(",")) {
    const { config, work } = models[name]!;
    const [folder, exported] = [join(scratch, name), join(scratch, `${name}-exported`)];
    await write(folder, exported, config);
    const peers = await Promise.all([
      Peer.start(process.execPath, [worker, "tesserae", folder, JSON.stringify(work)]),
      Peer.start(process.execPath, [worker, "transformers.js", exported, JSON.stringify(work)]),
    ]);
    const [ours, theirs] = peers.map((peer) => peer!) as [Peer, Peer];
    const [own, other] = [await ours.work(), await theirs.work()];
    const areEqual = own.ids!.join() === other.ids!.join();
    const result = await alternate(ours, theirs, Number(values.runs), 0);
    const perToken = (seconds: number): string => `${((1000 * seconds) / tokens).toFixed(2)} ms`;
    rows.push([
      name,
      perToken(result.ours.seconds),
      perToken(result.theirs.seconds),
      `${(result.theirs.seconds / result.ours.seconds).toFixed(2)} ×`,
      megabytes(result.ours.peakBytes),
      megabytes(result.theirs.peakBytes),
      areEqual ? "equal" : "DIFFERENT",
    ]);
    for (const peer of peers) peer!.stop();
  }
  const header = ["model", "Tesserae", "transformers.js", "faster", "memory", "memory", "ids"];
  console.log(markdownTable(header, rows));
} finally {
  await rm(scratch, { recursive: true, force: true });
}
