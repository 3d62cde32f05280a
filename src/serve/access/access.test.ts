/** Keys as operators make them and as servers ask for them. */

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../../test/support/tiny-model.ts";
import { Catalog } from "../../store/catalog.ts";
import { ModelStore } from "../../store/store.ts";
import { buildServer } from "../server.ts";
import { createKey, readKeys, revokeKey } from "./key-file.ts";
import { KeyRing } from "./key-ring.ts";
import { assertGuarded } from "./listen-rule.ts";
import { TokenBucket } from "./token-bucket.ts";
import { estimateTokens } from "./token-estimate.ts";

const folder = useTemporaryFolder();
const file = join(folder, "keys.json");
const codeOf = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "allowed";
};

describe("a file of keys", () => {
  test("keeps hashes alone, for its owner alone, and refuses a revoked key at once", async () => {
    const { key, text } = await createKey(join(folder, "own.json"), "website", ["predict"]);
    expect(readFileSync(join(folder, "own.json"), "utf8")).not.toContain(text.slice(14));
    expect(statSync(join(folder, "own.json")).mode & 0o777).toBe(0o600);
    const ring = await KeyRing.watch(join(folder, "own.json"), () => undefined);
    expect(ring.admit(text, "predict").name).toBe("website");
    await revokeKey(join(folder, "own.json"), key.id);
    await expect.poll(() => codeOf(() => ring.admit(text, "predict"))).toBe("unauthorized");
    ring.close();
  });

  test("takes a key of its own alone: whole, known, of the scope", async () => {
    const { key, text } = await createKey(join(folder, "some.json"), "monitor", ["metrics"]);
    const ring = new KeyRing(await readKeys(join(folder, "some.json")));
    const asked = [undefined, "", "x", text.slice(0, -1), `${text}x`, `tess_${key.id}_`, text.toUpperCase()];
    expect(asked.map((each) => codeOf(() => ring.admit(each, "metrics")))).toEqual(
      asked.map(() => "unauthorized"),
    );
    expect(codeOf(() => ring.admit(text, "predict"))).toBe("forbidden");
    expect(codeOf(() => ring.admit(text, "metrics"))).toBe("allowed");
  });
});

describe("what passes in a time", () => {
  test("fills steadily, and says when there is enough", () => {
    const bucket = new TokenBucket(2, 4, 0);
    expect([1, 1, 1, 1].map((amount) => bucket.take(amount, 0))).toEqual([0, 0, 0, 0]);
    expect(bucket.take(1, 0)).toBe(0.5);
    expect(bucket.take(1, 500)).toBe(0);
  });

  test("lets through what is larger than the bucket, once it is full, and is paid back", () => {
    const bucket = new TokenBucket(1, 10, 0);
    expect(bucket.take(100, 0)).toBe(0);
    expect(bucket.take(1, 50_000)).toBeGreaterThan(0);
    expect(bucket.take(1, 92_000)).toBe(0);
  });

  test("counts texts, numbers that may be tokens, what is to be written, and pictures", () => {
    expect(estimateTokens({ inputs: ["12345678", "1234"], parameters: { max_new_tokens: 20 } })).toBe(
      3 + 20 + 20 - 19,
    );
    expect(estimateTokens(new Uint8Array(5))).toBe(197);
    expect(estimateTokens(undefined)).toBe(0);
  });
});

describe("listening", () => {
  test.each(["127.0.0.1", "127.8.9.1", "::1", "localhost"])("%s needs no keys", (host) => {
    expect(() => assertGuarded({ host, hasKeys: false, noAuth: false })).not.toThrow();
  });

  test.each(["0.0.0.0", "::", "10.0.0.7", "example.org", "127.evil.org", "::ffff:127.0.0.1"])(
    "%s is refused without keys, unless the operator says so",
    (host) => {
      expect(() => assertGuarded({ host, hasKeys: false, noAuth: false })).toThrow(/others can reach it/);
      expect(() => assertGuarded({ host, hasKeys: true, noAuth: false })).not.toThrow();
      expect(() => assertGuarded({ host, hasKeys: false, noAuth: true })).not.toThrow();
    },
  );
});

describe("a server with keys", () => {
  let server: FastifyInstance;
  const keys = { user: "", slow: "", frugal: "", monitor: "" };
  beforeAll(async () => {
    const model = await writeTinyModel(
      join(folder, "reviews"),
      tinyConfig("BertForSequenceClassification", withLabels("bad", "good")),
    );
    keys.user = (await createKey(file, "user", ["predict"])).text;
    keys.slow = (await createKey(file, "slow", ["predict"], { requestsPerSecond: 0.001 })).text;
    keys.frugal = (await createKey(file, "frugal", ["predict"], { tokensPerMinute: 60 })).text;
    keys.monitor = (await createKey(file, "monitor", ["metrics"])).text;
    const catalog = new Catalog(new ModelStore(join(folder, "home")), join(folder, "none"));
    const guard = { keys: new KeyRing(await readKeys(file)) };
    server = await buildServer({ catalog, models: [model], session: { threads: 1 }, guard });
  });
  afterAll(() => server.close());

  const ask = (headers: Record<string, string>, inputs = "a good film") =>
    server.inject({ method: "POST", url: "/v1/predict/reviews", headers, payload: { inputs } });
  const get = async (url: string, key?: string): Promise<number> =>
    (await server.inject({ url, headers: key ? { "x-api-key": key } : {} })).statusCode;

  test("answers holders, as a bearer's or in x-api-key, and nobody else", async () => {
    expect((await ask({ authorization: `Bearer ${keys.user}` })).statusCode).toBe(200);
    expect((await ask({ "x-api-key": keys.user })).statusCode).toBe(200);
    const refused = await ask({});
    expect([refused.statusCode, refused.json().code]).toEqual([401, "unauthorized"]);
    expect((await ask({ "x-api-key": keys.monitor })).statusCode).toBe(403);
  });

  test("keeps every route but probes and pages behind a key", async () => {
    const open = ["/", "/docs", "/openapi.json", "/health/live", "/v2/health/live"];
    expect(await Promise.all(open.map((url) => get(url)))).toEqual(open.map(() => 200));
    const closed = [
      "/metrics",
      "/health",
      "/v1/models",
      "/v2/models/reviews",
      "/v2",
      "/nothing",
      "/v1/../metrics",
    ];
    expect(await Promise.all(closed.map((url) => get(url)))).toEqual(closed.map(() => 401));
    expect([await get("/metrics", keys.monitor), await get("/metrics", keys.user)]).toEqual([200, 403]);
  });

  test("holds a key to its rate and to its budget of tokens", async () => {
    const many = [
      [keys.frugal, "60 tokens per minute"],
      [keys.slow, "0.001 requests per second"],
    ] as const;
    for (const [key, limit] of many) {
      const headers = { "x-api-key": key };
      const [first, second] = [await ask(headers, "a".repeat(200)), await ask(headers, "a".repeat(200))];
      expect([first.statusCode, second.statusCode]).toEqual([200, 429]);
      expect(second.json().detail).toContain(limit);
      expect(Number(second.headers["retry-after"])).toBeGreaterThan(0);
    }
  });
});
