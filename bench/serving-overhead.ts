/**
 * What HTTP, routing and batching add to one prediction while nothing else is asked: a question over HTTP (cache off) and
 * the same question in this process alternate. Meaningful on an idle machine alone: every hop between threads waits its turn.
 *
 *     npm run build && node --import tsx bench/serving-overhead.ts [questions, default 400]
 */

import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildServer } from "../src/serve/server.ts";
import { Catalog } from "../src/store/catalog.ts";
import { ModelStore } from "../src/store/store.ts";
import { openForTask, thisThread } from "../src/tasks/open-for-task.ts";
import { predictor } from "../src/tasks/tasks.ts";
import { median } from "./peer.ts";

const questions = Number(process.argv[2] ?? 400);
const warmUp = 50;
const text = "A film that stays with you and does not let go";
const session = { threads: 1 };

const catalog = new Catalog(new ModelStore(join(tmpdir(), "tesserae-no-store")));
const server = await buildServer({ catalog, cache: false, session });
const url = await server.listen({ host: "127.0.0.1", port: 0 });
const local = predictor(await openForTask("models/sst2", undefined, session, thisThread));

async function overHttp(): Promise<void> {
  const body = JSON.stringify({ inputs: text });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}/v1/predict/sst2`, { method: "POST", headers, body });
  if (!response.ok) throw new Error(await response.text());
  await response.arrayBuffer();
}

const ways = { http: overHttp, here: () => local.predict([text]) };
const times: Record<keyof typeof ways, number[]> = { http: [], here: [] };
for (let question = 0; question < warmUp + questions; question++) {
  for (const way of ["http", "here"] as const) {
    const startMs = performance.now();
    await ways[way]();
    if (question >= warmUp) times[way].push(performance.now() - startMs);
  }
}
const [http, here] = [median(times.http), median(times.here)];
console.log(
  `over HTTP ${http.toFixed(2)} ms, here ${here.toFixed(2)} ms: ${(http - here).toFixed(2)} ms more (p50)`,
);
await server.close();
await local.release();
