/** A gateway over real workers answers as a server that has the models itself. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { useTemporaryFolder } from "../../../test/support/folder.ts";
import { tinyGpt2 } from "../../../test/support/tiny-generators.ts";
import { pngOf, tinyVit, writeTinyImageModel } from "../../../test/support/tiny-images.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../../test/support/tiny-model.ts";
import { Catalog } from "../../store/catalog.ts";
import { ModelStore } from "../../store/store.ts";
import { buildServer, type ServerOptions } from "../server.ts";
import { discovery } from "./discovery.ts";
import { buildGateway } from "./gateway-server.ts";
import { connectWorker } from "./worker-client.ts";
import { startWorker, type WorkerServer } from "./worker-server.ts";

const folder = useTemporaryFolder();
const store = new ModelStore(join(folder, "home"));
const rules = join(folder, "rules.yaml");
const workers: WorkerServer[] = [];
let direct: FastifyInstance;
let gateway: FastifyInstance;

const addReviews = async (seed: number): Promise<void> => {
  const config = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
  const source = await writeTinyModel(join(folder, `reviews-${seed}`), config, seed);
  await store.add("reviews", source, { task: "text-classification", metrics: { accuracy: 0.8 } });
};

beforeAll(async () => {
  await addReviews(7);
  const options: ServerOptions = {
    catalog: new Catalog(store, join(folder, "none")),
    models: [
      await writeTinyModel(join(folder, "stories"), tinyGpt2),
      await writeTinyImageModel(join(folder, "vit"), { ...tinyVit, ...withLabels("a", "b", "c") }),
    ],
    session: { threads: 1 },
    rules,
  };
  writeFileSync(
    rules,
    "rules: [{ name: mood, when: { model: mood }, use: [nowhere, reviews] }, { name: hasty, when: { quality: fast }, use: [reviews] }]",
  );
  direct = await buildServer(options);
  for (let at = 0; at < 2; at++) {
    const worker = await startWorker(options, { host: "127.0.0.1", port: 0 });
    await worker.http.ready();
    workers.push(worker);
  }
  gateway = await buildGateway({
    discover: discovery(workers.map(({ grpcPort }) => `127.0.0.1:${grpcPort}`)),
    rules,
  });
  for (const server of [direct, gateway]) {
    await server.ready();
    const isReady = async () => expect((await server.inject("/health/ready")).statusCode).toBe(200);
    await vi.waitFor(isReady, { timeout: 60_000 }); // a folder's task is known when it is open
  }
});
afterAll(() => Promise.all([direct.close(), gateway.close(), ...workers.map((worker) => worker.close())]));

const post = (
  server: FastifyInstance,
  url: string,
  payload: object | Buffer,
  headers: Record<string, string> = {},
) => server.inject({ method: "POST", url, payload, headers });

/** The bodies and statuses of both. */
async function both(url: string, payload: object | Buffer, headers: Record<string, string> = {}) {
  const answers = [await post(direct, url, payload, headers), await post(gateway, url, payload, headers)];
  return answers.map((answer) => {
    const { requestId: _, ...body } = answer.json();
    return { status: answer.statusCode, body: Array.isArray(answer.json()) ? answer.json() : body };
  });
}

describe("a gateway answers as a server with the models", () => {
  const tensors = {
    inputs: ["input_ids", "attention_mask", "token_type_ids"].map((name) => ({
      name,
      shape: [1, 4],
      datatype: "INT64",
      data: name === "input_ids" ? [2, 9, 11, 3] : name === "attention_mask" ? [1, 1, 1, 1] : [0, 0, 0, 0],
    })),
  };

  test.each<[string, string, object]>([
    ["texts", "/v1/predict/reviews", { inputs: ["a good film", "{ so dull }"], parameters: { top_k: 2 } }],
    ["a version", "/v1/predict/reviews@1", { inputs: "a good film" }],
    ["an alias of the rules", "/v1/predict/mood", { inputs: "a good film" }],
    ["a task without a model", "/v1/predict?task=text-classification", { inputs: "a good film" }],
    ["generation", "/v1/predict/stories", { inputs: "the film", parameters: { max_new_tokens: 5 } }],
    ["tensors", "/v2/models/reviews/infer", tensors],
    ["an unknown parameter", "/v1/predict/reviews", { inputs: "a", parameters: { top: 2 } }],
    ["a bad input", "/v1/predict/reviews", { inputs: [] }],
    ["a wish that is none", "/v1/predict?colour=red", { inputs: "a" }],
    ["a task that nothing has", "/v1/predict?task=translation", { inputs: "a" }],
  ])("%s", async (_, url, payload) => {
    const [mine, theirs] = await both(url, payload);
    expect(theirs).toEqual(mine);
  });

  test("a picture", async () => {
    const [mine, theirs] = await both("/v1/predict/vit", await pngOf(16, 3), { "content-type": "image/png" });
    expect(mine!.status).toBe(200);
    expect(theirs).toEqual(mine);
  });

  test("a stream", async () => {
    const payload = { inputs: "the film", parameters: { max_new_tokens: 5 }, stream: true };
    const [mine, theirs] = [
      await post(direct, "/v1/predict/stories", payload),
      await post(gateway, "/v1/predict/stories", payload),
    ];
    expect(mine.body).toContain("generated_text");
    expect(theirs.body).toBe(mine.body);
  });

  test("a deadline that has no chance", async () => {
    const payload = { inputs: "the film", parameters: { max_new_tokens: 50 } };
    const answer = await post(gateway, "/v1/predict/stories", payload, { "x-deadline-ms": "0.01" });
    expect([answer.statusCode, answer.json().code]).toEqual([504, "deadline"]);
  });
});

describe("POST /v1/route", () => {
  test("explains a decision, and takes rules that change", async () => {
    const answer = (await post(gateway, "/v1/route", { model: "mood" })).json();
    expect(answer).toEqual({
      rule: "mood",
      candidates: [{ asked: "reviews", ref: "reviews@1", reasons: ['rule "mood" names it'] }],
      rejected: [{ ref: "nowhere", reason: "is not served here", isAway: true }],
    });
    writeFileSync(rules, "rules: [{ name: feeling, when: { model: feeling }, use: [reviews] }]");
    await expect
      .poll(async () => (await post(gateway, "/v1/route", { model: "feeling" })).json().rule)
      .toBe("feeling");
    expect((await post(gateway, "/v1/predict/mood", { inputs: "a" })).statusCode).toBe(404);
  });
});

describe("workers", () => {
  test("are told of with their state and models", async () => {
    const { workers: listed } = (await gateway.inject("/v1/workers")).json();
    expect(listed).toMatchObject([
      { state: "ready", models: ["stories", "vit", "reviews@1"] },
      { state: "ready", models: ["stories", "vit", "reviews@1"] },
    ]);
    expect((await gateway.inject("/metrics")).body).toMatch(/tesserae_worker_up\{worker="127.0.0.1:\d+"\} 1/);
  });

  test("let a name mean a new version when they are asked, one after the other, and answers stay right", async () => {
    const ask = async () => {
      const answer = await post(gateway, "/v1/predict/reviews", { inputs: "a good film" });
      return { ref: answer.headers["x-model-ref"], score: answer.json()[0].score };
    };
    const old = await ask();
    expect(old.ref).toBe("reviews@1");
    await addReviews(8);
    const clients = workers.map(({ grpcPort }) => connectWorker(`127.0.0.1:${grpcPort}`, () => []));
    for (const client of clients) expect(await client.swap("reviews", undefined, 60_000)).toBe("reviews@2");
    const fresh = await ask();
    expect(fresh.ref).toBe("reviews@2");
    expect(fresh.score).not.toBeCloseTo(old.score, 3);
    expect(await clients[0]!.swap("reviews", "reviews@1", 60_000)).toBe("reviews@1");
    for (const client of clients) client.close();
  });

  test("answer a stream that is under way when they close", async () => {
    const payload = { inputs: "the film", parameters: { max_new_tokens: 50 }, stream: true };
    const answer = post(gateway, "/v1/predict/stories", payload);
    const closed = Promise.all(workers.splice(0).map((worker) => worker.close()));
    expect((await answer).body).toContain("generated_text");
    await closed;
  });
});
