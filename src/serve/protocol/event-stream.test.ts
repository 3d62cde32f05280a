/** `stream: true` of /v1/predict over real connections. */

import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../../test/support/folder.ts";
import { tinyGpt2 } from "../../../test/support/tiny-generators.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../../test/support/tiny-model.ts";
import { Catalog } from "../../store/catalog.ts";
import { ModelStore } from "../../store/store.ts";
import { buildServer } from "../server.ts";
import type { GeneratedEvent } from "./generated-events.ts";

const folder = useTemporaryFolder();
let server: FastifyInstance;
let url: string;

beforeAll(async () => {
  const long = { ...tinyGpt2, n_positions: 4000, eos_token_id: undefined };
  const models = [
    await writeTinyModel(join(folder, "stories"), tinyGpt2),
    await writeTinyModel(join(folder, "endless"), long),
    await writeTinyModel(
      join(folder, "reviews"),
      tinyConfig("BertForSequenceClassification", withLabels("a", "b")),
    ),
  ];
  const catalog = new Catalog(new ModelStore(join(folder, "home")), join(folder, "none"));
  server = await buildServer({ catalog, models, session: { threads: 1 } });
  url = await server.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(() => server.close());

const ask = (model: string, body: object, signal?: AbortSignal): Promise<Response> =>
  fetch(`${url}/v1/predict/${model}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });

const eventsIn = (text: string): GeneratedEvent[] =>
  text
    .split("\n\n")
    .filter(Boolean)
    .map((event) => JSON.parse(event.replace(/^data: /, "")));

describe("a stream of generated text", () => {
  const question = { inputs: "the book of", parameters: { max_new_tokens: 10 } };

  test("has events as Hugging Face's, which together are the answer at once", async () => {
    const response = await ask("stories", { ...question, stream: true });
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    const events = eventsIn(await response.text());
    const last = events.at(-1)!;
    expect(events.map(({ token }) => token.text).join("")).toBe(last.generated_text);
    expect(events.slice(0, -1).every(({ generated_text }) => generated_text === null)).toBe(true);
    const whole = await ask("stories", {
      ...question,
      parameters: { ...question.parameters, return_full_text: false },
    });
    const [answer] = (await whole.json()) as { generated_text: string }[];
    expect(answer!.generated_text).toBe(last.generated_text);
  });

  test("ends in the worker when its reader leaves", async () => {
    const gone = new AbortController();
    const forever = { inputs: "the book of", parameters: { max_new_tokens: 3900 }, stream: true };
    const response = await ask("endless", forever, gone.signal);
    await response.body!.getReader().read();
    gone.abort();
    const cancelled = /tesserae_requests_total\{model="endless",outcome="cancelled"\} 1/;
    await expect.poll(async () => (await fetch(`${url}/metrics`)).text()).toMatch(cancelled);
    await expect
      .poll(async () => (await fetch(`${url}/metrics`)).text())
      .toMatch(/tesserae_queue_texts\{model="endless"\} 0/);
  });

  test.each([
    ["an option that does not hold", "stories", { ...question, parameters: { top_p: 2 }, stream: true }, 400],
    ["several texts", "stories", { inputs: ["a", "b"], stream: true }, 400],
    ["a model that answers at once", "reviews", { inputs: "a", stream: true }, 501],
  ])("is refused before it begins for %s", async (_, model, body, status) => {
    const response = await ask(model, body);
    expect([response.status, response.headers.get("content-type")]).toEqual([
      status,
      expect.stringContaining("problem+json"),
    ]);
  });
});
