import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { Catalog } from "../store/catalog.ts";
import { ModelStore } from "../store/store.ts";
import { pipeline } from "../tasks/pipeline.ts";
import { buildServer, type ServerOptions } from "./server.ts";

const folder = useTemporaryFolder();
const store = new ModelStore(join(folder, "home"));
const bundled = join(folder, "bundled");
const models = { reviews: "", questions: "" };
let server: FastifyInstance;

const build = (options: Partial<ServerOptions> = {}) =>
  buildServer({ catalog: new Catalog(store, bundled), session: { threads: 1 }, ...options });

beforeAll(async () => {
  mkdirSync(bundled);
  const reviews = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
  models.reviews = await writeTinyModel(join(folder, "reviews"), reviews);
  models.questions = await writeTinyModel(join(bundled, "questions"), tinyConfig("BertForQuestionAnswering"));
  const metrics = { accuracy: 0.5 };
  await store.add("reviews", models.reviews, {
    task: "text-classification",
    labels: ["bad", "good"],
    metrics,
  });
  server = await build();
});
afterAll(() => server.close());

const predict = (model: string, payload: unknown, headers: Record<string, string> = {}) =>
  server.inject({
    method: "POST",
    url: `/v1/predict/${encodeURIComponent(model)}`,
    headers: { "content-type": "application/json", ...headers },
    payload: typeof payload === "string" ? payload : JSON.stringify(payload),
  });

describe("POST /v1/predict", () => {
  test("answers as pipeline() does, one input or several", async () => {
    const classify = await pipeline("text-classification", models.reviews);
    const texts = ["a good film", "the story was very dull , and so poor"];
    const single = await predict("reviews", { inputs: texts[0] });
    expect([single.statusCode, single.json()]).toEqual([200, await classify(texts[0]!)]);
    const several = await predict("reviews@1", { inputs: texts, parameters: { top_k: 2 } });
    const [mine, theirs] = [several.json(), await classify(texts, { top_k: 2 })];
    expect(mine.map((scores: { label: string }[]) => scores.map(({ label }) => label))).toEqual(
      theirs.map((scores) => scores.map(({ label }) => label)),
    );
    expect(mine[1][0].score).toBeCloseTo(theirs[1]![0]!.score, 5);
    await classify.dispose();
  });

  test("answers a question of a bundled model", async () => {
    const inputs = { question: "who saw the bank ?", context: "john smith saw the red bank" };
    const response = await predict("questions", { inputs });
    const { answer, start, end } = response.json();
    expect(inputs.context.slice(start, end)).toBe(answer);
  });

  test("names the version that answered, and the request", async () => {
    const { headers } = await predict("reviews", { inputs: "a film" }, { "x-request-id": "mine-1" });
    expect(headers).toMatchObject({ "x-model-ref": "reviews@1", "x-request-id": "mine-1" });
    const other = await predict("reviews", { inputs: "a film" }, { "x-request-id": "not\tplain" });
    expect(other.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  test.each([
    ["an unknown model", "revews", { inputs: "a" }, 404, "not_found", 'did you mean "reviews"?'],
    ["a path for a model", "../../etc/passwd", { inputs: "a" }, 404, "not_found", "is not here"],
    ["broken JSON", "reviews", "{", 400, "request", "JSON"],
    ["a body that is no object", "reviews", "[]", 400, "request", "expected a JSON object with inputs"],
    ["no inputs", "reviews", {}, 400, "request", "inputs: expected a text"],
    ["an empty list", "reviews", { inputs: [] }, 400, "request", "inputs: expected a text"],
    ["an unknown field", "reviews", { inputs: "a", text: "b" }, 400, "request", "unknown text"],
    ["an unknown parameter", "reviews", { inputs: "a", parameters: { k: 1 } }, 400, "request", "options"],
    ["a bad input", "reviews", { inputs: ["a", { txt: "b" }] }, 400, "request", "input 2"],
    [
      "deep JSON",
      "reviews",
      `{"inputs":{"a":${"[".repeat(4e5)}${"]".repeat(4e5)}}}`,
      400,
      "request",
      "64 levels",
    ],
    ["too many inputs", "reviews", { inputs: Array(300).fill("a") }, 400, "request", "at most 256"],
    ["too long a text", "reviews", { inputs: "a".repeat(100_001) }, 400, "request", "100000 characters"],
    ["too large a body", "reviews", { inputs: "a".repeat(3e6) }, 413, "request", "too large"],
  ])("answers %s with a problem document", async (_, model, body, status, code, detail) => {
    const response = await predict(model, body);
    expect(response.statusCode).toBe(status);
    expect(response.headers["content-type"]).toContain("application/problem+json");
    const { requestId, ...problem } = response.json();
    expect(problem).toMatchObject({ status, code, detail: expect.stringContaining(detail) });
    expect(requestId).toBe(response.headers["x-request-id"]);
  });

  test("tells a damaged model apart from a bad request, and serves the others", async () => {
    const damaged = await writeTinyModel(join(folder, "damaged"), tinyConfig("BertForMaskedLM"));

    writeFileSync(join(damaged, "model.safetensors"), "not a checkpoint");
    const own = await build({ models: [damaged] });
    const response = await own.inject({
      method: "POST",
      url: "/v1/predict/damaged",
      payload: { inputs: "a [MASK]" },
    });
    expect([response.statusCode, response.json().code]).toEqual([422, "weight"]);
    const other = await own.inject({ method: "POST", url: "/v1/predict/reviews", payload: { inputs: "a" } });
    expect(other.statusCode).toBe(200);
    await own.close();
  });
});

describe("the server", () => {
  test("lists models with task, labels, metrics and state", async () => {
    await predict("reviews", { inputs: "a" });
    const { data: listed } = (await server.inject("/v1/models")).json();
    expect(listed).toMatchObject([
      {
        ref: "reviews@1",
        source: "store",
        state: "ready",
        labels: ["bad", "good"],
        metrics: { accuracy: 0.5 },
      },
      { ref: "questions", source: "bundled", state: "ready", task: "question-answering" },
    ]);
  });

  test("becomes ready when the bundled models are open, and is alive before", async () => {
    const own = await build();
    expect((await own.inject("/health/live")).statusCode).toBe(200);
    await expect.poll(async () => (await own.inject("/health/ready")).statusCode).toBe(200);
    expect((await own.inject("/health")).json()).toMatchObject({
      status: "ready",
      models: [{ ref: "questions", state: "ready" }],
    });
    await own.close();
  });

  test("refuses to start for a model that is not there", async () => {
    await expect(build({ models: ["nowhere"] })).rejects.toMatchObject({ code: "not_found" });
  });

  test("counts requests by model and outcome, batches and tokens", async () => {
    await predict("reviews", { inputs: ["a good film", "a film"] });
    await predict("reviews", { inputs: [] });
    await predict("no-such-model", { inputs: "a" });
    const text = (await server.inject("/metrics")).body;
    expect(text).toMatch(/tesserae_requests_total\{model="reviews@1",outcome="ok"\} \d+/);
    expect(text).toMatch(/tesserae_requests_total\{model="reviews@1",outcome="invalid"\} \d+/);
    expect(text).toMatch(/tesserae_requests_total\{model="unknown",outcome="invalid"\} \d+/);
    expect(text).toMatch(/tesserae_tokens_total\{model="reviews@1"\} [1-9]/);
    expect(text).toMatch(/tesserae_batch_size_texts_count\{model="reviews@1"\} [1-9]/);
    expect(text).toMatch(/tesserae_queue_texts\{model="reviews@1"\} 0/);
    expect(text).not.toContain("no-such-model");
  });

  test("answers an unknown route with a problem document", async () => {
    const response = await server.inject("/nowhere");
    expect([response.statusCode, response.json().code]).toEqual([404, "not_found"]);
  });

  test("shows a page that loads nothing from elsewhere", async () => {
    const { body, headers } = await server.inject("/");
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    expect(body).toContain("<textarea");
    expect(body).not.toMatch(/https?:\/\//);
  });

  test("starts with no model at all, and says so", async () => {
    const empty = new Catalog(new ModelStore(join(folder, "no-home")), join(folder, "no-bundled"));
    const own = await build({ catalog: empty });
    expect((await own.inject("/v1/models")).json()).toEqual({ object: "list", data: [] });
    await expect.poll(async () => (await own.inject("/health/ready")).statusCode).toBe(200);
    await own.close();
  });
});
