/**
 * Memory of a server over hours of steady requests and hot swaps over its admin port.
 *
 *     npm run build && node --import tsx bench/soak.ts [--minutes 60] [--swaps 200]
 */

import { cp, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createAsker } from "../src/serve/loadtest/asker.ts";
import { runTrace } from "../src/serve/loadtest/run.ts";
import { drawTrace } from "../src/serve/loadtest/trace.ts";
import { ModelStore } from "../src/store/store.ts";
import { residentBytes, servedTexts, startTesserae } from "./serving-model.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "60" }, swaps: { type: "string", default: "200" } },
});
const [minutes, swaps] = [Number(values.minutes), Number(values.swaps)];
const rate = 20;

/** A port that was free a moment ago. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

const home = await mkdtemp(join(tmpdir(), "tesserae-soak-"));
const store = new ModelStore(home);
/** Version 2 is version 1 with another file beside it: the same answers under another name. */
const second = join(home, "second");
await cp("models/sst2", second, { recursive: true });
await cp("LICENSE", join(second, "LICENSE"));
for (const folder of ["models/sst2", second])
  await store.add("reviews", folder, { task: "text-classification" });
const texts = await servedTexts();
const adminPort = await freePort();
const server = await startTesserae("reviews", home, ["--admin-port", String(adminPort)]);
const asker = createAsker({ url: `${server.url}/v1/predict/reviews` });

async function swapAll(): Promise<void> {
  for (let count = 0; count < swaps; count++) {
    await sleep((minutes * 60_000) / (swaps + 1));
    const answer = await fetch(`http://127.0.0.1:${adminPort}/admin/swap`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "reviews", ref: `reviews@${1 + (count % 2)}` }),
    });
    if (!answer.ok) throw new Error(`swap ${count + 1}: ${await answer.text()}`);
  }
}

const sizes: number[] = [];
const reading = setInterval(
  async () => sizes.push(await residentBytes(server)),
  Math.max(1000, minutes * 200),
);
try {
  const trace = drawTrace({ rate, seconds: minutes * 60, texts, repeats: 0.5 });
  const [{ sent, answered, latencyMs }] = await Promise.all([runTrace(trace, asker.ask), swapAll()]);
  const settled = sizes.slice(Math.floor(sizes.length / 5)); // the first fifth fills caches
  const half = Math.floor(settled.length / 2);
  const [early, late] = [median(settled.slice(0, half)), median(settled.slice(half))];
  console.log(
    `${minutes} min, ${swaps} swaps: ${sent - answered} of ${sent} requests lost, p99 ${latencyMs.p99.toFixed(0)} ms`,
  );
  console.log(
    `memory: ${(early / 2 ** 20).toFixed(0)} → ${(late / 2 ** 20).toFixed(0)} MB, × ${(late / early).toFixed(3)} (bar 1.05)`,
  );
  process.exitCode = sent === answered && late <= 1.05 * early ? 0 : 1;
} finally {
  clearInterval(reading);
  asker.close();
  await server.stop();
  await rm(home, { recursive: true });
}
