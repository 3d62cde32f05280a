/** The server under load, over real connections. */

import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import autocannon from "autocannon";
import type { FastifyInstance } from "fastify";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { Catalog } from "../store/catalog.ts";
import { ModelStore } from "../store/store.ts";
import type { Limits } from "./limits.ts";
import { buildServer } from "./server.ts";

const folder = useTemporaryFolder();
const catalog = new Catalog(new ModelStore(join(folder, "home")), join(folder, "bundled"));
let small: string;
/** A model that computes some 10 ms on a text of 512 tokens. */
let heavy: string;
let server: FastifyInstance;
let url: string;

const longText = "the film was good , ".repeat(200);

beforeAll(async () => {
  const config = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
  small = await writeTinyModel(join(folder, "small"), config);
  const size = { hidden_size: 256, intermediate_size: 1024, num_attention_heads: 4, num_hidden_layers: 4 };
  const long = { ...config, ...size, max_position_embeddings: 512 };
  heavy = await writeTinyModel(join(folder, "heavy"), long);
});

/** Listens with one model, opened. */
async function start(model: string, limits: Partial<Limits> = {}): Promise<void> {
  server = await buildServer({ catalog, models: [model], limits, cache: false });
  url = await server.listen({ host: "127.0.0.1", port: 0 });
  await expect.poll(async () => (await fetch(`${url}/health/ready`)).status).toBe(200);
}
afterEach(() => server.close());

const predict = (model: string, inputs: unknown, signal?: AbortSignal): Promise<Response> =>
  fetch(`${url}/v1/predict/${model}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ inputs }),
    ...(signal && { signal }),
  });

const metricOf = async (pattern: RegExp): Promise<number> =>
  Number(pattern.exec(await (await fetch(`${url}/metrics`)).text())?.[1] ?? 0);

const patiently = { interval: 10 };
const queueLength = /tesserae_queue_texts\{model="heavy"\} (\d+)/;

describe("a server under load", () => {
  test("answers all of 2,000 requests of 50 connections, most of them in shared batches", async () => {
    await start(small);
    const result = await autocannon({
      url: `${url}/v1/predict/small`,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ inputs: "a good film , and not so dull" }),
      connections: 50,
      amount: 2000,
    });
    expect([result["2xx"], result.non2xx, result.errors, result.timeouts]).toEqual([2000, 0, 0, 0]);
    const batches = await metricOf(/tesserae_batch_size_texts_count\{model="small"\} (\d+)/);
    expect(batches).toBeLessThan(1000);
    expect(batches).toBeGreaterThan(0);
  });

  test("answers /health while a batch of long inputs computes", async () => {
    await start(heavy);
    const startMs = performance.now();
    let isDone = false;
    const answer = predict("heavy", Array(48).fill(longText)).finally(() => {
      isDone = true;
    });
    const times: number[] = [];
    while (!isDone) {
      const askedMs = performance.now();
      await (await fetch(`${url}/health`)).text();
      times.push(performance.now() - askedMs);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect((await answer).status).toBe(200);
    expect(performance.now() - startMs).toBeGreaterThan(200); // else nothing was under way
    times.sort((a, b) => a - b);
    expect(times.length).toBeGreaterThan(5);
    // Blocked by the batch, one answer would take nearly all the time; others' work on the machine slows each a little.
    expect(times.at(-1)).toBeLessThan((performance.now() - startMs) / 2);
  });

  test("refuses with 429 and Retry-After what its queue has no room for, and answers the rest", async () => {
    await start(heavy, { maxQueue: 64 });
    const first = predict("heavy", Array(63).fill(longText));
    await expect.poll(() => metricOf(queueLength), patiently).toBe(63);
    const [second, refused] = await Promise.all([
      predict("heavy", longText),
      predict("heavy", [longText, "a"]),
    ]);
    expect([(await first).status, second.status, refused.status]).toEqual([200, 200, 429]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(await refused.json()).toMatchObject({ code: "overloaded", status: 429 });
  });

  test("drops the waiting work of clients that went away", async () => {
    await start(heavy);
    const kept = predict("heavy", Array(64).fill(longText));
    await expect.poll(() => metricOf(queueLength), patiently).toBe(64);
    const gone = new AbortController();
    const dropped = predict("heavy", Array(64).fill(longText), gone.signal);
    await expect.poll(() => metricOf(queueLength), patiently).toBe(128);
    gone.abort();
    await expect(dropped).rejects.toThrow();
    expect((await kept).status).toBe(200);
    await expect
      .poll(() => metricOf(/tesserae_requests_total\{model="heavy",outcome="cancelled"\} (\d+)/), patiently)
      .toBe(1);
    expect(await metricOf(/tesserae_batch_size_texts_sum\{model="heavy"\} (\d+)/)).toBe(64);
  });

  test("closes at once although a connection is open on which no request came", async () => {
    await start(small);
    const connected = connect(Number(new URL(url).port), "127.0.0.1");
    await once(connected, "connect");
    await fetch(`${url}/health`); // the server has seen the earlier connection
    const startMs = performance.now();
    await server.close();
    expect(performance.now() - startMs).toBeLessThan(30_000); // Node's own time-out is a minute
    connected.destroy();
  });

  test("answers every request that has arrived before it closes", async () => {
    await start(heavy);
    // Each asks something else, since equal questions are computed once.
    const answers = Array.from({ length: 12 }, (_, at) =>
      predict("heavy", Array(8).fill(`${at} ${longText}`)),
    );
    await expect.poll(() => metricOf(queueLength), patiently).toBe(96);
    const closed = server.close();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(12).fill(200));
    await closed;
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });
});
