/** OpenAI's own client, unchanged, against our routes. */

import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../../test/support/folder.ts";
import { tinyGpt2 } from "../../../test/support/tiny-generators.ts";
import { tinyConfig, tinyTokenizer, withLabels, writeTinyModel } from "../../../test/support/tiny-model.ts";
import { Catalog } from "../../store/catalog.ts";
import { ModelStore } from "../../store/store.ts";
import { pipeline } from "../../tasks/pipeline.ts";
import { buildServer } from "../server.ts";

const folder = useTemporaryFolder();
let server: FastifyInstance;
let client: OpenAI;
let vectors: string;
let stories: string;

beforeAll(async () => {
  const store = new ModelStore(join(folder, "home"));
  vectors = await writeTinyModel(join(folder, "vectors"), tinyConfig("BertModel"));
  stories = await writeTinyModel(join(folder, "stories"), tinyGpt2);
  const labels = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
  await store.add("vectors", vectors, { task: "feature-extraction", metrics: {} });
  await store.add("stories", stories, { task: "text-generation", metrics: {} });
  await store.add("reviews", await writeTinyModel(join(folder, "reviews"), labels), {
    task: "text-classification",
    metrics: {},
  });
  const catalog = new Catalog(store, join(folder, "none"));
  server = await buildServer({ catalog, session: { threads: 1 } });
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
});
afterAll(() => server.close());

const texts = ["a good film", "the story was very dull , and so poor"];

const expectClose = (actual: readonly number[], expected: readonly number[]): void => {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, at) => {
    expect(value).toBeCloseTo(expected[at]!, 5);
  });
};

describe("embeddings", () => {
  test("are the unit vectors of feature extraction, in base64 and as numbers", async () => {
    const extract = await pipeline("feature-extraction", vectors, { provider: "cpu", threads: 1 });
    const expected = (await extract(texts, { pooling: "mean", normalize: true })).tolist() as number[][];
    const inBase64 = await client.embeddings.create({ model: "vectors", input: texts });
    const asFloats = await client.embeddings.create({
      model: "vectors@1",
      input: texts,
      encoding_format: "float",
    });
    for (const { data, object, model } of [inBase64, asFloats]) {
      expect([object, model, data.map(({ index }) => index)]).toEqual(["list", "vectors@1", [0, 1]]);
      data.forEach(({ embedding }, at) => {
        expectClose(embedding, expected[at]!);
      });
    }
    await extract.dispose();
  });

  test("count tokens, and take tokens for texts", async () => {
    const ids = texts.map((text) => [...tinyTokenizer().encode(text).ids]);
    const ofTexts = await client.embeddings.create({ model: "vectors", input: texts });
    const ofTokens = await client.embeddings.create({ model: "vectors", input: ids });
    const ofOne = await client.embeddings.create({ model: "vectors", input: ids[0]! });
    const count = ids.flat().length;
    expect(ofTexts.usage).toEqual({ prompt_tokens: count, total_tokens: count });
    expect(ofTokens.usage).toEqual(ofTexts.usage);
    expectClose(ofTokens.data[1]!.embedding, ofTexts.data[1]!.embedding);
    expectClose(ofOne.data[0]!.embedding, ofTexts.data[0]!.embedding);
  });

  test("are cut to the dimensions asked for and have unit length again", async () => {
    const [whole] = (await client.embeddings.create({ model: "vectors", input: "a film" })).data;
    const [short] = (await client.embeddings.create({ model: "vectors", input: "a film", dimensions: 8 }))
      .data;
    const head = whole!.embedding.slice(0, 8);
    expectClose(
      short!.embedding,
      head.map((value) => value / Math.hypot(...head)),
    );
  });

  test.each([
    ["no model of that name", { model: "vecters", input: "a" }, 404, /did you mean "vectors"/],
    [
      "a model without vectors",
      { model: "reviews", input: "a" },
      501,
      /^501 BertForSequenceClassification: .* no embeddings/,
    ],
    ["a model that writes", { model: "stories", input: "a" }, 501, /no embeddings/],
    ["an empty text", { model: "vectors", input: "" }, 400, /input/],
    ["no texts", { model: "vectors", input: [] }, 400, /input/],
    ["too many texts", { model: "vectors", input: Array(300).fill("a") }, 400, /at most 256/],
    ["too long a text", { model: "vectors", input: "film ".repeat(100) }, 400, /64 tokens, got 102/],
    ["a token out of the vocabulary", { model: "vectors", input: [1, 5000] }, 400, /token 5000/],
    ["too many dimensions", { model: "vectors", input: "a", dimensions: 33 }, 400, /at most 32/],
  ])("are refused for %s as OpenAI's errors are", async (_, body, code, message) => {
    const failure = client.embeddings.create(body);
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toMatchObject({ status: code });
    await expect(failure).rejects.toThrow(OpenAI.APIError);
  });
});

describe("models", () => {
  test("are listed, and found by name", async () => {
    const listed = [];
    for await (const model of client.models.list()) listed.push(model);
    expect(listed.map(({ id, object, owned_by }) => [id, object, owned_by])).toEqual([
      ["reviews@1", "model", "store"],
      ["stories@1", "model", "store"],
      ["vectors@1", "model", "store"],
    ]);
    const found = await client.models.retrieve("vectors");
    expect(found).toMatchObject({ id: "vectors@1", task: "feature-extraction" });
    expect(Math.abs(found.created - Date.now() / 1000)).toBeLessThan(600);
    await expect(client.models.retrieve("nowhere")).rejects.toThrow(OpenAI.NotFoundError);
  });
});

describe("completions", () => {
  const greedy = { model: "stories", prompt: "the book of", max_tokens: 8, temperature: 0 };

  test("are what the pipeline writes, with their tokens counted", async () => {
    const write = await pipeline("text-generation", stories, { provider: "cpu", threads: 1 });
    const options = { max_new_tokens: 8, return_full_text: false };
    const [expected] = await write("the book of", options);
    const { choices, usage, object } = await client.completions.create(greedy);
    expect([object, choices[0]!.text]).toEqual(["text_completion", expected!.generated_text]);
    expect(choices[0]!.finish_reason).toBe(usage!.completion_tokens === 8 ? "length" : "stop");
    expect(usage!.prompt_tokens).toBe(3);
    await write.dispose();
  });

  test("come piece by piece, the same text", async () => {
    const { choices } = await client.completions.create(greedy);
    const pieces = [];
    for await (const chunk of await client.completions.create({ ...greedy, stream: true }))
      pieces.push(chunk.choices[0]!);
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.map(({ text }) => text).join("")).toBe(choices[0]!.text);
    expect(pieces.at(-1)!.finish_reason).toBe(choices[0]!.finish_reason);
  });

  test("of several prompts and answers come in one list, the same for the same seed", async () => {
    const ask = () =>
      client.completions.create({
        ...greedy,
        temperature: 1,
        prompt: ["a", "the book"],
        n: 2,
        seed: 5,
        echo: true,
      });
    const { choices } = await ask();
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(choices[2]!.text.startsWith("the book")).toBe(true);
    expect((await ask()).choices).toEqual(choices);
  });

  test.each([
    ["a model for another task", { ...greedy, model: "reviews" }, 501],
    ["an unknown field", { ...greedy, suffix: "x" }, 400],
    ["a stream of several prompts", { ...greedy, prompt: ["a", "b"], stream: true as const }, 400],
    ["a stream of a model that answers at once", { ...greedy, model: "reviews", stream: true as const }, 501],
  ])("are refused for %s", async (_, body, code) => {
    await expect(client.completions.create(body)).rejects.toMatchObject({ status: code });
  });
});
