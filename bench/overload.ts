/**
 * What a server adds to a session at idle, and how it bears five times what it can do.
 *
 *     npm run build && node --import tsx bench/overload.ts [--seconds 60] [--model sst2]
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createAsker } from "../src/serve/loadtest/asker.ts";
import { findRate } from "../src/serve/loadtest/find-rate.ts";
import { type LoadResult, runTrace } from "../src/serve/loadtest/run.ts";
import { drawTrace } from "../src/serve/loadtest/trace.ts";
import { pipeline } from "../src/tasks/pipeline.ts";
import { residentBytes, servedTexts, startTesserae } from "./serving-model.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "60" }, model: { type: "string", default: "sst2" } },
});
const seconds = Number(values.seconds);
const idleRequests = 300;
/** A queue longer than what can be computed within a client's patience only makes answers late. */
const flags = ["--cache-megabytes", "0", "--max-queue", "64"];

const home = await mkdtemp(join(tmpdir(), "tesserae-overload-"));
const texts = await servedTexts();
const short = texts.filter((text) => text.length < 60).slice(0, idleRequests);
const server = await startTesserae(values.model, home, flags);
const asker = createAsker({ url: `${server.url}/v1/predict/${values.model}`, timeoutMs: 5000 });

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

/** Median milliseconds of one call after the other. */
async function medianMs(call: (text: string) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (const text of short) {
    const startMs = performance.now();
    await call(text);
    times.push(performance.now() - startMs);
  }
  return median(times.slice(20));
}

const load = (rate: number, time: number): Promise<LoadResult> =>
  runTrace(drawTrace({ rate, seconds: time, texts, repeats: 0 }), asker.ask);
const perSecond = ({ seconds: all }: LoadResult): number =>
  median(all.slice(2).map(({ answered }) => answered));

try {
  const classify = await pipeline("text-classification", `models/${values.model}`);
  const bare = await medianMs((text) => classify(text));
  await classify.dispose();
  const served = await medianMs(asker.ask);
  console.log(
    `idle: ${bare.toFixed(2)} ms bare, ${served.toFixed(2)} ms served, ${(served - bare).toFixed(2)} ms more (bar 2)`,
  );

  const { best } = await findRate((rate) => load(rate, 6), { p99Ms: 250, firstRate: 50, precision: 0.1 });
  const capacity = best?.rate ?? Number.NaN;
  console.log(`capacity: ${capacity.toFixed(1)} requests/s at p99 ≤ 250 ms`);
  const before = await residentBytes(server);
  const overload = await load(5 * capacity, seconds);
  const after = await residentBytes(server);
  const goodput = perSecond(overload);
  console.log(
    `overload of ${seconds} s: ${goodput.toFixed(1)} answered per second, ${((100 * goodput) / capacity).toFixed(0)} % of capacity (bar 90), ${overload.rejected} refused, ${overload.failed} failed, ${((after - before) / 2 ** 20).toFixed(0)} MB more`,
  );
  const calm = await load(0.5 * capacity, 15);
  const slow = calm.seconds.findLastIndex(({ p99Ms, answered, sent }) => p99Ms > 250 || answered < sent);
  console.log(`recovery: ${slow + 1} s (bar 5)`);
} finally {
  asker.close();
  await server.stop();
  await rm(home, { recursive: true });
}
