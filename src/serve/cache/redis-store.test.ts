import type { ChildProcess } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { freePort, hasRedis, killRedis, startRedis } from "../../../test/support/redis.ts";
import { AnswerCache } from "./answer-cache.ts";
import { MemoryStore } from "./answer-store.ts";
import { type RedisOptions, RedisStore } from "./redis-store.ts";

let port: number;
let redis: ChildProcess;
const stores: RedisStore[] = [];

const open = (options: Partial<RedisOptions> = {}): RedisStore => {
  const store = new RedisStore({ url: `redis://127.0.0.1:${port}`, timeoutMs: 10_000, ...options });
  stores.push(store);
  return store;
};
/** Keeps an answer, as soon as there is a connection. */
const keep = (store: RedisStore, key: string, text: string) =>
  expect
    .poll(async () => {
      await store.set(key, Buffer.from(text));
      return String(await store.get(key));
    })
    .toBe(text);

describe.skipIf(!hasRedis)("answers in Redis", () => {
  beforeAll(async () => {
    port = await freePort();
    redis = await startRedis(port);
  });
  afterEach(() => Promise.all(stores.splice(0).map((store) => store.close())));
  afterAll(() => killRedis(redis));

  test("are shared by servers and outlive them, bytes as they are", async () => {
    const [first, second] = [open(), open()];
    await keep(first, "shared", "\u0000ÿ answer");
    await expect.poll(async () => String(await second.get("shared"))).toBe("\u0000ÿ answer");
    expect(await second.get("nothing")).toBeUndefined();
  });

  test("are forgotten after their time", async () => {
    const store = open({ ttlSeconds: 0.5 });
    await keep(store, "brief", "a");
    await expect.poll(() => store.get("brief"), { interval: 100 }).toBeUndefined();
  });

  test("that another program wrote in their place are computed anew", async () => {
    const store = open();
    await keep(store, "foreign", "not an answer");
    expect(await new AnswerCache([store]).answer("foreign", async () => 7)).toBe(7);
  });

  test("are found by a server that just started, which keeps them in memory then", async () => {
    const store = open();
    await keep(store, "ready", "");
    await new AnswerCache([store]).answer("warm", async () => "kept");
    await expect.poll(async () => (await store.get("warm"))?.length).toBeGreaterThan(0);
    const memory = new MemoryStore(10_000);
    const cache = new AnswerCache([memory, store]);
    expect(await cache.answer("warm", () => Promise.reject(new Error("computed")))).toBe("kept");
    expect(await memory.get("warm")).toBeDefined();
  });

  test("cost little time and no answer while Redis hangs, is dead, and comes back", async () => {
    const store = open({ timeoutMs: 400 });
    await keep(store, "before", "kept");
    const cache = new AnswerCache([store]);
    let asked = 0;
    const answerAll = async (): Promise<number> => {
      const startMs = performance.now();
      for (let at = 0; at < 50; at++) expect(await cache.answer(`q${asked++}`, async () => at)).toBe(at);
      return performance.now() - startMs;
    };
    redis.kill("SIGSTOP");
    expect(await answerAll()).toBeLessThan(15_000); // fifty time-outs would be 20 s; after a few none is tried
    expect(store.isDown).toBe(true);
    await killRedis(redis);
    expect(await answerAll()).toBeLessThan(15_000);
    redis = await startRedis(port);
    await expect.poll(() => store.get("anything").then(() => store.isDown), { timeout: 60_000 }).toBe(false);
    await keep(store, "after", "kept");
  });
});
