/**
 * Attacks a server with many hostile requests while another client asks honestly. Ends with 1 when an answer is not a
 * typed 4xx, the server dies, or the other client's 99th percentile is harmed.
 *
 *     node --import tsx test/hostile/fuzz.ts [cases, default 20,000] [first, default 0]
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAsker } from "../../src/serve/loadtest/asker.ts";
import { type LoadResult, runTrace } from "../../src/serve/loadtest/run.ts";
import { drawTrace } from "../../src/serve/loadtest/trace.ts";
import { attack } from "./attack.ts";
import { hostileCase } from "./cases.ts";
import { startVictim } from "./victim.ts";

const count = Number(process.argv[2] ?? 20_000);
const first = Number(process.argv[3] ?? 0);
/** Hostile requests under way. */
const attackers = 4;
/** The honest client's 99th percentile under attack may be this much above that in quiet. */
const allowedHarmMs = 50;

const folder = await mkdtemp(join(tmpdir(), "tesserae-fuzz-"));
const { server, url, defects } = await startVictim(folder);
const honest = createAsker({ url: `${url}/v1/predict/reviews` });
const texts = ["a good film", "a very dull story", "the bank by the river"];

async function askHonestly(seconds: number, signal?: AbortSignal): Promise<LoadResult> {
  return runTrace(drawTrace({ rate: 20, seconds, texts }), honest.ask, { ...(signal && { signal }) });
}

const quiet = await askHonestly(5);
const done = new AbortController();
const during = askHonestly(3600, done.signal);
const statuses: Record<string, Record<number, number>> = {};
const faults: string[] = [];
let next = first;
const startMs = performance.now();
await Promise.all(
  Array.from({ length: attackers }, async () => {
    while (next < first + count) {
      const number = next++;
      const hostile = hostileCase(number, "reviews");
      const { status, fault } = await attack(url, hostile);
      const row = statuses[hostile.kind] ?? {};
      statuses[hostile.kind] = { ...row, [status]: (row[status] ?? 0) + 1 };
      if (fault !== undefined) faults.push(`case ${number} (${hostile.kind}): ${fault}`);
      if ((number + 1) % 2000 === 0) console.log(`${number + 1} cases, ${faults.length} faults`);
    }
  }),
);
const seconds = (performance.now() - startMs) / 1000;
done.abort();
const loaded = await during;
honest.close();
await server.close();
await rm(folder, { recursive: true });

console.table(statuses);
console.log(faults.slice(0, 20).join("\n"));
console.log(defects.slice(0, 5).join(""));
const harmMs = loaded.latencyMs.p99 - quiet.latencyMs.p99;
console.log(`${count} cases in ${seconds.toFixed(0)} s: ${faults.length} faults, ${defects.length} defects`);
console.log(
  `honest client: p99 ${quiet.latencyMs.p99.toFixed(1)} ms in quiet, ${loaded.latencyMs.p99.toFixed(1)} ms under attack, ${loaded.sent - loaded.answered} of ${loaded.sent} lost`,
);
const isFine =
  faults.length + defects.length === 0 && harmMs <= allowedHarmMs && loaded.answered === loaded.sent;
process.exit(isFine ? 0 : 1);
