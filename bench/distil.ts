/**
 * How much faster the forward pass of a student of DistilBERT's shape is than that of BERT-base, both with random
 * weights and the same head, alternating in one run.
 * Usage: npm run build && node --import tsx bench/distil.ts [--runs 15 --batch 1 --length 128 --threads 2]
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { ConfigJson } from "../src/models/config.ts";
import { encodeModel } from "../src/models/open.ts";
import { architectureOf } from "../src/models/registry.ts";
import { countParameters } from "../src/nn/module.ts";
import { OrtSession } from "../src/runtime/ort-session.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { markdownTable, median, milliseconds } from "./peer.ts";
import { bertBase } from "./write-bert.ts";
import { writeRandom } from "./write-random.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "15" },
    batch: { type: "string", default: "1" },
    length: { type: "string", default: "128" },
    threads: { type: "string" },
  },
});
const [runs, batch, length] = [values.runs, values.batch, values.length].map(Number) as [
  number,
  number,
  number,
];

const configs: Readonly<Record<string, ConfigJson>> = {
  "BERT-base": bertBase,
  "DistilBERT-shaped": {
    architectures: ["DistilBertForSequenceClassification"],
    model_type: "distilbert",
    id2label: bertBase.id2label,
  },
};

/** A session over random weights. */
async function open(folder: string, config: ConfigJson): Promise<OrtSession> {
  await writeRandom(folder, config);
  const threads = values.threads === undefined ? {} : { threads: Number(values.threads) };
  return OrtSession.open(await encodeModel(folder), threads);
}

const ids = Array.from({ length: batch * length }, (_, at) => 1000 + (at % 20_000));
const shape = [batch, length];
const inputs: Readonly<Record<string, Tensor>> = {
  input_ids: Tensor.from("int64", shape, ids),
  attention_mask: Tensor.from("int64", shape, new Array(ids.length).fill(1)),
  token_type_ids: Tensor.from("int64", shape, new Array(ids.length).fill(0)),
};

async function seconds(session: OrtSession): Promise<number> {
  const feeds = Object.fromEntries(session.inputs.map(({ name }) => [name, inputs[name]!]));
  const startMs = performance.now();
  await session.run(feeds);
  return (performance.now() - startMs) / 1000;
}

const folder = await mkdtemp(join(tmpdir(), "tesserae-distil-"));
try {
  const sessions = new Map<string, OrtSession>();
  for (const [name, config] of Object.entries(configs)) {
    const own = await mkdtemp(join(folder, "model-"));
    sessions.set(name, await open(own, config));
  }
  const times = new Map([...sessions.keys()].map((name) => [name, [] as number[]]));
  for (let run = -2; run < runs; run++) {
    for (const [name, session] of sessions) {
      const taken = await seconds(session);
      if (run >= 0) times.get(name)!.push(taken);
    }
  }
  const base = median(times.get("BERT-base")!);
  const rows = [...times].map(([name, all]) => {
    const config = configs[name]!;
    const parameters = countParameters(architectureOf(config).build(config));
    return [
      name,
      parameters.toLocaleString("en"),
      milliseconds(median(all)),
      `${(base / median(all)).toFixed(2)} ×`,
    ];
  });
  console.log(markdownTable([`forward, ${batch} × ${length}`, "parameters", "median", "faster"], rows));
  for (const session of sessions.values()) await session.release();
} finally {
  await rm(folder, { recursive: true, force: true });
}
