/** Questions about pictures over HTTP: answers, captions and labels. */

import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, writeTinyFlamingo, writeTinyImageModel } from "../../test/support/tiny-images.ts";
import { tinyVocab } from "../../test/support/tiny-model.ts";
import { Catalog } from "../store/catalog.ts";
import { ModelStore } from "../store/store.ts";
import { pipeline } from "../tasks/pipeline.ts";
import { buildServer } from "./server.ts";

const folder = useTemporaryFolder();
let server: FastifyInstance;
let png: Buffer;
let base64: string;

const tower = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const words = { ...tower, vocab_size: tinyVocab.length, max_position_embeddings: 24, initializer_range: 0.5 };
const vision_config = { ...tower, image_size: 16, patch_size: 8 };

beforeAll(async () => {
  png = await pngOf(16, 1);
  base64 = png.toString("base64");
  const blip = {
    model_type: "blip",
    text_config: { ...words, bos_token_id: 2, sep_token_id: 3 },
    vision_config,
    image_size: 16,
  };
  const clip = { model_type: "clip", projection_dim: 8, text_config: words, vision_config, image_size: 16 };
  const write = (name: string, architecture: string, config: object) =>
    writeTinyImageModel(join(folder, name), { architectures: [architecture], ...config });
  const models = [
    await write("questions", "BlipForQuestionAnswering", blip),
    await write("captions", "BlipForConditionalGeneration", blip),
    await write("clip", "CLIPModel", clip),
    await writeTinyFlamingo(join(folder, "flamingo")),
    await write("matcher", "BlipForImageTextRetrieval", { ...blip, image_text_hidden_size: 8 }),
  ];
  const catalog = new Catalog(new ModelStore(join(folder, "home")), join(folder, "none"));
  server = await buildServer({ catalog, models, session: { threads: 1 } });
});
afterAll(() => server.close());

const ask = (model: string, payload: Buffer | string, type: string) =>
  server.inject({
    method: "POST",
    url: `/v1/predict/${model}`,
    headers: { "content-type": type },
    payload,
  });
const askJson = (model: string, body: object) => ask(model, JSON.stringify(body), "application/json");

async function askForm(model: string, fields: Record<string, string>) {
  const form = new FormData();
  form.append("image", new Blob([new Uint8Array(png)]), "picture.png");
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const request = new Request("http://localhost", { method: "POST", body: form });
  const payload = Buffer.from(await request.arrayBuffer());
  return ask(model, payload, request.headers.get("content-type")!);
}

const onCpu = { provider: "cpu", threads: 1 } as const;

describe("questions about pictures over HTTP", () => {
  test("are answered as pipeline() does, in JSON and as a form", async () => {
    const answerer = await pipeline("visual-question-answering", join(folder, "questions"), onCpu);
    const expected = await answerer(png, "what is red ?");
    const inputs = { image: `data:image/png;base64,${base64}`, question: "what is red ?" };
    expect((await askJson("questions", { inputs })).json()).toEqual(expected);
    expect((await askJson("questions", { inputs: [inputs, inputs] })).json()).toEqual([expected, expected]);
    expect((await askForm("questions", { question: "what is red ?" })).json()).toEqual(expected);
    await answerer.dispose();
  });

  test("captions take the picture as any other", async () => {
    const caption = await pipeline("image-to-text", join(folder, "captions"), onCpu);
    const expected = await caption(png, { max_new_tokens: 5 });
    const body = { inputs: base64, parameters: { max_new_tokens: 5 } };
    expect((await askJson("captions", body)).json()).toEqual(expected);
    await caption.dispose();
  });

  test("prompts have pictures among their examples, and frames", async () => {
    const write = await pipeline("image-text-to-text", join(folder, "flamingo"), onCpu);
    const examples = (image: string | Buffer) => [{ image: [image, image], text: "a red book" }];
    const prompt = (image: string | Buffer) => ({
      image: [image, image],
      text: "the",
      examples: examples(image),
    });
    const expected = await write(prompt(png));
    expect((await askJson("flamingo", { inputs: prompt(base64) })).json()).toEqual(expected);
    const marked = (image: string | Buffer) => ({ images: [image, image], text: "<image>red<image>" });
    const list = await askJson("flamingo", { inputs: [prompt(base64), marked(base64)] });
    expect(list.json()).toEqual([expected, await write(marked(png))]);
    const inForm = await askForm("flamingo", { text: "the" });
    expect(inForm.json()).toEqual(await write({ image: png, text: "the" }));
    await write.dispose();
    const many = { image: base64, examples: Array(16).fill({ image: base64, text: "a" }) };
    const refused = await askJson("flamingo", { inputs: many });
    expect([refused.statusCode, refused.json().detail]).toEqual([400, expect.stringMatching(/at most 16/)]);
  });

  test("labels are given with the picture", async () => {
    const label = await pipeline("zero-shot-image-classification", join(folder, "clip"), onCpu);
    const labels = ["red book", "blue river"];
    const expected = await label(png, labels);
    const inJson = await askJson("clip", { inputs: base64, parameters: { candidate_labels: labels } });
    const inForm = await askForm("clip", { parameters: JSON.stringify({ candidate_labels: labels }) });
    for (const answer of [inJson, inForm])
      expect(answer.json().map((score: { label: string }) => score.label)).toEqual(
        expected.map((score) => score.label),
      );
    await label.dispose();
  });

  test("texts are matched with a picture: how likely, and the cosine of their vectors", async () => {
    const match = await pipeline("image-text-matching", join(folder, "matcher"), onCpu);
    const text = ["a red book", "the river"];
    const expected = await match({ image: png, text });
    const inJson = await askJson("matcher", { inputs: { image: base64, text } });
    expect(inJson.json()).toEqual(expected);
    for (const { score, similarity } of expected) {
      expect(score > 0 && score < 1).toBe(true);
      expect(Math.abs(similarity)).toBeLessThanOrEqual(1);
    }
    expect((await askForm("matcher", { text: "the river" })).json()).toEqual(
      expected.filter(({ label }) => label === "the river"),
    );
    await match.dispose();
  });

  test.each([
    ["a file for the picture", { image: "file:///etc/hostname", question: "a" }, 400, /base64/],
    [
      "an address of its own network",
      { image: "http://127.0.0.1/a.png", question: "a" },
      400,
      /public Internet/,
    ],
    ["no question", { image: "YQ==" }, 400, /question/],
    ["what is no picture", { image: "YQ==", question: "a" }, 422, /JPEG/],
  ])("are refused with %s", async (_, inputs, status, detail) => {
    const response = await askJson("questions", { inputs });
    expect([response.statusCode, response.json().detail]).toEqual([status, expect.stringMatching(detail)]);
  });
});
