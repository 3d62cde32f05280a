import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyGpt2 } from "../../test/support/tiny-generators.ts";
import { writeTinyModel } from "../../test/support/tiny-model.ts";
import { Catalog } from "../store/catalog.ts";
import { ModelStore } from "../store/store.ts";
import { pipeline } from "../tasks/pipeline.ts";
import { buildServer } from "./server.ts";

const folder = useTemporaryFolder();
let server: FastifyInstance;
beforeAll(async () => {
  const store = new ModelStore(join(folder, "home"));
  const path = await writeTinyModel(join(folder, "gpt2"), tinyGpt2);
  await store.add("stories", path, { task: "text-generation", metrics: {} });
  server = await buildServer({ catalog: new Catalog(store, join(folder, "none")), session: { threads: 1 } });
});
afterAll(() => server.close());

const predict = (payload: object) => server.inject({ method: "POST", url: "/v1/predict/stories", payload });

describe("POST /v1/predict with a model that continues texts", () => {
  test("answers as pipeline() does, also many callers at once", async () => {
    const generate = await pipeline("text-generation", join(folder, "gpt2"));
    const parameters = { max_new_tokens: 10, no_repeat_ngram_size: 2 };
    const inputs = ["the book of", "a", "mary saw a red river and"];
    const responses = await Promise.all(inputs.map((text) => predict({ inputs: text, parameters })));
    const expected = await Promise.all(inputs.map((text) => generate(text, parameters)));
    expect(responses.map((response) => response.json())).toEqual(expected);
    expect((await predict({ inputs, parameters })).json()).toEqual(expected);
    await generate.dispose();
  });

  test("answers 400 to an option that does not hold", async () => {
    const response = await predict({ inputs: "a", parameters: { top_p: 2 } });
    expect(response.statusCode).toBe(400);
    expect(response.body).toContain("top_p");
  });
});
