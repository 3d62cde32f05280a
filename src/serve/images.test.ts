import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, tinyMae, tinyVit, writeTinyImageModel } from "../../test/support/tiny-images.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { Catalog } from "../store/catalog.ts";
import { ModelStore } from "../store/store.ts";
import { pipeline } from "../tasks/pipeline.ts";
import type { LabelScore } from "../tasks/text-classification.ts";
import { buildServer } from "./server.ts";

const folder = useTemporaryFolder();
let server: FastifyInstance;
let png: Buffer;
let expected: LabelScore[];

beforeAll(async () => {
  png = await pngOf(16, 3);
  const vit = { ...tinyVit, initializer_range: 0.3, ...withLabels("a", "b", "c") };
  const models = [
    await writeTinyImageModel(join(folder, "vit"), vit),
    await writeTinyImageModel(join(folder, "mae"), tinyMae),
    await writeTinyModel(join(folder, "text"), tinyConfig("BertForSequenceClassification")),
  ];
  const catalog = new Catalog(new ModelStore(join(folder, "home")), join(folder, "none"));
  server = await buildServer({ catalog, models, session: { threads: 1 }, limits: { maxImages: 2 } });
  const classify = await pipeline("image-classification", models[0]!, { provider: "cpu", threads: 1 });
  expected = await classify(png);
  await classify.dispose();
});
afterAll(() => server.close());

const ask = (model: string, payload: Buffer | string | object, type: string) =>
  server.inject({
    method: "POST",
    url: `/v1/predict/${model}`,
    headers: { "content-type": type },
    payload: typeof payload === "string" || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload),
  });

const form = async (fields: Record<string, Buffer | string>): Promise<[Buffer, string]> => {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === "string") data.append(name, value);
    else data.append(name, new Blob([new Uint8Array(value)]), `${name}.png`);
  }
  const request = new Request("http://localhost", { method: "POST", body: data });
  return [Buffer.from(await request.arrayBuffer()), request.headers.get("content-type")!];
};

function expectScores(actual: LabelScore[]): void {
  expect(actual.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
  actual.forEach(({ score }, at) => {
    expect(score).toBeCloseTo(expected[at]!.score, 5);
  });
}

describe("POST /v1/predict of a model that reads pictures", () => {
  test("takes the file itself, a form, base64 and data addresses", async () => {
    const base64 = png.toString("base64");
    const answers = [
      await ask("vit", png, "image/png"),
      await ask("vit", png, "application/octet-stream"),
      await ask("vit", ...(await form({ file: png }))),
      await ask("vit", { inputs: base64 }, "application/json"),
      await ask("vit", { inputs: `data:image/png;base64,${base64}` }, "application/json"),
    ];
    for (const answer of answers) {
      expect(answer.statusCode).toBe(200);
      expectScores(answer.json());
    }
  });

  test("answers a list with a list, under the parameters given", async () => {
    const inputs = [png, await pngOf(16, 4)].map((file) => file.toString("base64"));
    const answer = await ask("vit", { inputs, parameters: { top_k: 1 } }, "application/json");
    expect(answer.json().map((scores: LabelScore[]) => scores.length)).toEqual([1, 1]);
    const fromForm = await ask("vit", ...(await form({ file: png, parameters: '{"top_k":2}' })));
    expect(fromForm.json()).toHaveLength(2);
  });

  test("reads a picture at another size, or says which sizes the model reads", async () => {
    const inputs = png.toString("base64");
    const at = (image_size: number) =>
      ask("vit", { inputs, parameters: { image_size, top_k: null } }, "application/json");
    const [trained, larger, odd] = await Promise.all([at(16), at(32), at(18)]);
    expectScores(trained.json().slice(0, expected.length));
    expect([larger.statusCode, odd.statusCode]).toEqual([200, 400]);
    expect(larger.json()[0].score).not.toBeCloseTo(trained.json()[0].score, 5);
    expect(odd.json().detail).toContain("multiples");
  });

  test("takes pictures that are larger than texts may be", async () => {
    const side = 1200;
    const noise = Buffer.from(Uint8Array.from({ length: side * side * 3 }, (_, at) => (at * 7919) >> 3));
    const large = await sharp(noise, { raw: { width: side, height: side, channels: 3 } })
      .png({ compressionLevel: 0 })
      .toBuffer();
    expect(large.length).toBeGreaterThan(3e6);
    expect((await ask("vit", large, "image/png")).statusCode).toBe(200);
    const base64 = { inputs: large.toString("base64") };
    expect((await ask("vit", base64, "application/json")).statusCode).toBe(200);
    expect((await ask("text", base64, "application/json")).statusCode).toBe(413);
  });

  test("draws what a masked autoencoder makes of a picture", async () => {
    const { image, error } = (await ask("mae", png, "image/png")).json();
    const { width, height } = await sharp(Buffer.from(image, "base64")).metadata();
    expect([width, height, error > 0]).toEqual([56 * 14, 16 * 14, true]);
  });

  test.each([
    ["a text", { inputs: "a text with spaces" }, 400, /base64, a data address or an http address/],
    ["a path", { inputs: "file:///etc/hostname" }, 400, /base64/],
    ["an address of its own network", { inputs: "http://127.0.0.1:1/a.png" }, 400, /public Internet/],
    ["too many pictures", { inputs: ["YQ==", "YQ==", "YQ=="] }, 400, /at most 2 pictures/],
    [
      "what is no picture",
      { inputs: Buffer.from("hello there").toString("base64") },
      422,
      /must be JPEG, PNG/,
    ],
    ["an unknown field", { image: "YQ==" }, 400, /body: expected a picture/],
    ["an unknown parameter", { inputs: "YQ==", parameters: { k: 1 } }, 400, /options/],
  ])("refuses %s", async (_, body, status, detail) => {
    const answer = await ask("vit", body, "application/json");
    expect([answer.statusCode, answer.json().detail]).toEqual([status, expect.stringMatching(detail)]);
  });

  test("a model that reads texts refuses a picture", async () => {
    const answer = await ask("text", png, "image/png");
    expect([answer.statusCode, answer.json().detail]).toEqual([400, expect.stringContaining("reads texts")]);
  });
});
