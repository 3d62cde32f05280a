import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../../test/support/tiny-model.ts";
import { Catalog } from "../../store/catalog.ts";
import { ModelStore } from "../../store/store.ts";
import { buildServer } from "../server.ts";

interface Content {
  readonly schema: object;
}
interface Documented {
  readonly summary: string;
  readonly parameters: readonly { name: string; in: string }[];
  readonly requestBody?: { content: Record<string, Content> };
  readonly responses: { 200: { content: Record<string, Content> } };
}
interface Api {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Documented>>;
  readonly components: { schemas: { Problem: object } };
}

const folder = useTemporaryFolder();
let server: FastifyInstance;
let api: Api;

beforeAll(async () => {
  const config = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
  const models = [await writeTinyModel(join(folder, "reviews"), config)];
  const catalog = new Catalog(new ModelStore(join(folder, "home")), join(folder, "none"));
  server = await buildServer({ catalog, models, session: { threads: 1 } });
  await server.ready();
  api = (await server.inject("/openapi.json")).json();
});
afterAll(() => server.close());

const ajv = new Ajv2020({ strict: false, validateFormats: false });
const operations = (): [path: string, operation: Documented][] =>
  Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.values(methods).map((operation): [string, Documented] => [path, operation]),
  );

describe("/openapi.json", () => {
  test("names the routes of every protocol", () => {
    expect(api.openapi).toMatch(/^3\.1\./);
    const paths = [
      "/v1/predict/{model}",
      "/v1/models",
      "/v1/embeddings",
      "/v1/completions",
      "/v2/health/ready",
      "/v2/models/{model}/versions/{version}/infer",
    ];
    expect(Object.keys(api.paths)).toEqual(expect.arrayContaining(paths));
  });

  test("documents every parameter of a path", () => {
    for (const [path, { parameters }] of operations()) {
      const names = parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name);
      expect(names).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    }
  });

  test("has valid schemas alone", () => {
    for (const [, { requestBody, responses }] of operations()) {
      const contents = { ...requestBody?.content, ...responses[200].content };
      for (const { schema } of Object.values(contents)) expect(ajv.compile(schema)).toBeTypeOf("function");
    }
  });

  test.each([
    ["/v1/models", "/v1/models"],
    ["/v1/models/{model}", "/v1/models/reviews"],
    ["/v2", "/v2"],
    ["/v2/health/live", "/v2/health/live"],
    ["/v2/models/{model}", "/v2/models/reviews"],
  ])("describes what %s answers", async (path, url) => {
    const { schema } = api.paths[path]!.get!.responses[200].content["application/json"]!;
    const validate = ajv.compile(schema);
    const answer = (await server.inject(url)).json();
    expect([validate(answer), validate.errors]).toEqual([true, null]);
  });

  test.each(["/v1/models/nowhere", "/v2/models/nowhere", "/v2/x", "/nowhere"])(
    "describes the error of %s",
    async (url) => {
      const response = await server.inject(url);
      const validate = ajv.compile(api.components.schemas.Problem);
      expect([response.statusCode, validate(response.json())]).toEqual([404, true]);
    },
  );
});

describe("/docs", () => {
  test("is a page that loads nothing from elsewhere", async () => {
    const { body, headers } = await server.inject("/docs");
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    expect(body).toContain("/openapi.json");
    expect(body).not.toMatch(/https?:\/\//);
  });
});
