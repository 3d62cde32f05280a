/**
 * The highest rate at p99 ≤ 250 ms of `tesserae serve` and of two servers as one writes them with transformers.js, on the
 * same weights and the same trace of arrivals: sentences of SST-2. Alone on a machine it takes about 20 minutes.
 *
 *     npm run build && node --import tsx bench/serving.ts [--seconds 12] [--only name,name] [--out file.json]
 */

import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Ask, createAsker } from "../src/serve/loadtest/asker.ts";
import { findRate } from "../src/serve/loadtest/find-rate.ts";
import { runTrace } from "../src/serve/loadtest/run.ts";
import { drawTrace } from "../src/serve/loadtest/trace.ts";
import { ModelStore } from "../src/store/store.ts";
import { markdownTable } from "./peer.ts";
import {
  type ServerProcess,
  servedTexts,
  startServer,
  startTesserae,
  writeServedModel,
} from "./serving-model.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "12" }, only: { type: "string" }, out: { type: "string" } },
});
const seconds = Number(values.seconds);
const only = values.only?.split(",");
const p99Ms = 250;
const warmUpSeconds = 2;
/** Of requests, for the servers with a cache. */
const repeats = 0.5;

interface Contender {
  readonly name: string;
  readonly path: string;
  readonly repeats: number;
  readonly firstRate: number;
  readonly start: () => Promise<ServerProcess>;
}

interface Found {
  readonly name: string;
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
}

const scratch = await mkdtemp(join(tmpdir(), "tesserae-serving-"));
const home = join(scratch, "home");
const folder = await writeServedModel(join(scratch, "served"));
const texts = await servedTexts();
await new ModelStore(home).add("served", folder, { task: "text-classification" });

const noCache = ["--cache-megabytes", "0"];
const ours = (flags: readonly string[]) => () => startTesserae("served", home, flags);
const theirs = (kind: string) => () => startServer(["bench/serving-peer.mjs", folder, kind], home);
const [oursPath, theirsPath] = ["/v1/predict/served", "/predict"];
const contenders: Contender[] = [
  {
    name: "transformers.js, one by one",
    path: theirsPath,
    repeats: 0,
    firstRate: 4,
    start: theirs("single"),
  },
  {
    name: "transformers.js, padded batches",
    path: theirsPath,
    repeats: 0,
    firstRate: 4,
    start: theirs("batched"),
  },
  { name: "tesserae, fp32", path: oursPath, repeats: 0, firstRate: 8, start: ours(noCache) },
  { name: "tesserae, fp32, cache", path: oursPath, repeats, firstRate: 16, start: ours([]) },
  { name: "tesserae, int8 by rule", path: oursPath, repeats: 0, firstRate: 16, start: withInt8(noCache) },
  { name: "tesserae, int8 by rule, cache", path: oursPath, repeats, firstRate: 32, start: withInt8([]) },
];

/** A server whose rules answer questions to the model by its INT8 variant. */
function withInt8(flags: readonly string[]): () => Promise<ServerProcess> {
  return async () => {
    const rules = join(scratch, "rules.yaml");
    await makeVariant();
    await writeFile(rules, "rules:\n  - { name: int8, when: { model: served }, use: [served@int8] }\n");
    return startTesserae("served@int8", home, [...flags, "--rules", rules]);
  };
}

let isQuantized = false;
async function makeVariant(): Promise<void> {
  if (isQuantized) return;
  isQuantized = true;
  const data = join(scratch, "dev.tsv");
  const lines = (await readFile("../shared/data/sst2/dev.tsv", "utf8")).split("\n").slice(0, 101);
  await writeFile(data, lines.join("\n"));
  const args = ["dist/cli/main.js", "quantize", "served", "--data", data, "--quiet"];
  const { status } = spawnSync(process.execPath, args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, TESSERAE_HOME: home },
  });
  if (status !== 0) throw new Error("quantize failed");
}

/** Each trial has texts of its own, so that no trial finds the answers of the one before. */
async function measure({ name, path, repeats: share, firstRate, start }: Contender): Promise<Found> {
  const server = await start();
  const asker = createAsker({ url: server.url + path });
  let used = 0;
  const { best } = await findRate(
    async (rate) => {
      const from = used % texts.length;
      const own = [...texts.slice(from), ...texts.slice(0, from)].map((text) => `${text} ${used}`);
      const trace = drawTrace({ rate, seconds: warmUpSeconds + seconds, texts: own, repeats: share });
      used += trace.length;
      await settle(asker.ask);
      const result = await runTrace(trace, asker.ask, { warmUpSeconds });
      console.log(
        `${name}: ${rate.toFixed(1)}/s → p99 ${result.latencyMs.p99.toFixed(0)} ms, ${result.failed + result.rejected} lost`,
      );
      return result;
    },
    { p99Ms, firstRate, attempts: 2 },
  );
  asker.close();
  await server.stop();
  const { p50 = 0, p99 = 0 } = best?.result.latencyMs ?? {};
  return { name, rate: best?.rate ?? 0, p50, p99 };
}

/** Waits until a server has dealt with what an earlier trial left behind. */
async function settle(ask: Ask): Promise<void> {
  for (let probe = 0; ; probe++) {
    const startMs = performance.now();
    const status = await ask(`a quiet moment ${startMs}`);
    if (status === 200 && performance.now() - startMs < p99Ms) return;
    if (probe > 600) throw new Error("the server does not answer any more");
    await sleep(100);
  }
}

const found: Found[] = [];
try {
  for (const contender of contenders.filter(({ name }) => !only || only.some((part) => name.includes(part))))
    found.push(await measure(contender));
} finally {
  await rm(scratch, { recursive: true });
}
const rateOf = (name: string): number => found.find((each) => each.name === name)?.rate ?? Number.NaN;
console.log(
  markdownTable(
    ["server", "requests/s at p99 ≤ 250 ms", "p50 ms", "p99 ms"],
    found.map(({ name, rate, p50, p99 }) => [name, rate.toFixed(1), p50.toFixed(0), p99.toFixed(0)]),
  ),
);
const [single, batched] = [rateOf(contenders[0]!.name), rateOf(contenders[1]!.name)];
const [fp32, cached, int8, int8Cached] = contenders.slice(2).map(({ name }) => rateOf(name)) as [
  number,
  number,
  number,
  number,
];
const factors = {
  "fp32 / one by one (bar 2)": fp32 / single,
  "fp32 / batched (bar 1.5)": fp32 / batched,
  "int8 / one by one (bar 5)": int8 / single,
  "int8 / batched (bar 3.5)": int8 / batched,
  "cache / none, fp32 (bar 1.9)": cached / fp32,
  "cache / none, int8 (bar 1.9)": int8Cached / int8,
};
for (const [name, factor] of Object.entries(factors)) console.log(`${name}: ${factor.toFixed(2)}`);
if (values.out) await writeFile(values.out, JSON.stringify({ found, factors }, null, 2));
