/**
 * How a server bears five times what it can do, and how soon it is well afterwards.
 *
 *     npm run build && node --import tsx bench/overload.ts [--seconds 60]
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createAsker } from "../src/serve/loadtest/asker.ts";
import { findRate } from "../src/serve/loadtest/find-rate.ts";
import { type LoadResult, runTrace } from "../src/serve/loadtest/run.ts";
import { drawTrace } from "../src/serve/loadtest/trace.ts";
import { ModelStore } from "../src/store/store.ts";
import { residentBytes, servedTexts, startTesserae, writeServedModel } from "./serving-model.ts";

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" } } });
const seconds = Number(values.seconds);
const p99Ms = 250;
/** A queue longer than what can be computed within a client's patience only makes answers late. */
const flags = ["--cache-megabytes", "0", "--max-queue", "64"];

const scratch = await mkdtemp(join(tmpdir(), "tesserae-overload-"));
const home = join(scratch, "home");
const folder = await writeServedModel(join(scratch, "served"));
await new ModelStore(home).add("served", folder, { task: "text-classification" });
const texts = await servedTexts();
const server = await startTesserae("served", home, flags);
const asker = createAsker({ url: `${server.url}/v1/predict/served`, timeoutMs: 5000 });

const load = (rate: number, time: number): Promise<LoadResult> =>
  runTrace(drawTrace({ rate, seconds: time, texts, repeats: 0 }), asker.ask);
const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

try {
  const { best } = await findRate((rate) => load(rate, 10), { p99Ms, firstRate: 16, attempts: 2 });
  const capacity = best?.rate ?? Number.NaN;
  console.log(`capacity: ${capacity.toFixed(1)} requests/s at p99 ≤ ${p99Ms} ms`);
  const before = await residentBytes(server);
  const overload = await load(5 * capacity, seconds);
  const after = await residentBytes(server);
  const goodput = mean(overload.seconds.slice(2, seconds).map(({ answered }) => answered));
  console.log(
    `overload of ${seconds} s: ${goodput.toFixed(1)} answered per second, ${((100 * goodput) / capacity).toFixed(0)} % of capacity (bar 90), p99 of the answered ${overload.latencyMs.p99.toFixed(0)} ms, ${overload.rejected} refused, ${overload.failed} failed, ${((after - before) / 2 ** 20).toFixed(0)} MB more`,
  );
  const calm = await load(0.5 * capacity, 15);
  const slow = calm.seconds.findLastIndex(
    ({ p99Ms: slowest, answered, sent }) => slowest > p99Ms || answered < sent,
  );
  console.log(`recovery: ${slow + 1} s (bar 5)`);
} finally {
  asker.close();
  await server.stop();
  await rm(scratch, { recursive: true });
}
