/** The OpenAPI 3.1 document, made of what routes say of themselves, and a page that shows it. */

import type { FastifyInstance, RouteOptions } from "fastify";
import { z } from "zod";
import { errorCodes } from "../../errors.ts";
import { packageVersion } from "../../runtime/package-root.ts";
import { addDocsPage } from "./docs-page.ts";
import type { Operation } from "./operation.ts";
import { termHeaders } from "./terms.ts";

interface DocumentedRoute {
  readonly method: string;
  /** Of Fastify: `/v1/predict/:model`. */
  readonly url: string;
  readonly operation: Operation;
}

/** Every error, RFC 9457; protocols of others add fields of theirs. */
const problemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe("Where, what must hold, what arrived, what to do"),
  instance: z.string(),
  code: z.enum([...Object.keys(errorCodes), "defect"]),
  requestId: z.string(),
});

/**
 * Adds `/openapi.json` and `/docs`. Call it before routes are added: it hears of each that has `config.operation`.
 * A route without is not documented.
 */
export function addOpenApi(server: FastifyInstance): void {
  const routes: DocumentedRoute[] = [];
  server.addHook("onRoute", (route: RouteOptions) => {
    const { operation } = route.config ?? {};
    if (!operation) return;
    for (const method of [route.method].flat().filter((each) => each !== "HEAD"))
      routes.push({ method: method.toLowerCase(), url: route.url, operation });
  });
  let text: string | undefined; // made once, when all routes are known
  server.get("/openapi.json", async (_, reply) => {
    text ??= JSON.stringify(documentOf(routes));
    reply.type("application/json");
    return text;
  });
  addDocsPage(server);
}

function documentOf(routes: readonly DocumentedRoute[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, url, operation } of routes) {
    const path = url.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [method]: operationOf(path, operation) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Tesserae",
      version: packageVersion,
      description: "Predictions of Transformer models, by protocols of several families of clients.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      schemas: { Problem: jsonSchema(problemSchema, "output") },
      responses: {
        Problem: {
          description: "What was wrong, as RFC 9457 tells it",
          content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      },
    },
  };
}

function operationOf(
  path: string,
  { summary, tag, query, body, files, answer, streams, hasTerms }: Operation,
): object {
  const requestTypes = { ...(body && { "application/json": contentOf(body, "input") }), ...described(files) };
  const answerTypes = {
    ...(answer && { "application/json": contentOf(answer, "output") }),
    ...described(streams),
  };
  return {
    summary,
    tags: [tag],
    parameters: [
      ...pathParameters(path),
      ...(query ? queryParameters(query) : []),
      ...(hasTerms ? termParameters : []),
    ],
    ...(Object.keys(requestTypes).length > 0 && { requestBody: { required: true, content: requestTypes } }),
    responses: {
      200: { description: "The answer", content: answerTypes },
      default: { $ref: "#/components/responses/Problem" },
    },
  };
}

const contentOf = (schema: z.ZodType, io: "input" | "output"): object => ({ schema: jsonSchema(schema, io) });

const described = (types: Readonly<Record<string, string>> = {}): object =>
  Object.fromEntries(Object.entries(types).map(([type, description]) => [type, { schema: { description } }]));

/** The schema as OpenAPI 3.1 has it, whose dialect is named once for the whole document. */
function jsonSchema(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}

const pathParameters = (path: string): object[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));

const queryParameters = (schema: z.ZodObject): object[] =>
  Object.entries(schema.shape).map(([name, field]) => ({
    name,
    in: "query",
    schema: jsonSchema(field as z.ZodType, "input"),
  }));

const termParameters: readonly object[] = [
  {
    name: termHeaders.deadlineMs,
    in: "header",
    description: "Milliseconds after which the answer is of no use",
    schema: { type: "number", exclusiveMinimum: 0 },
  },
  {
    name: termHeaders.priority,
    in: "header",
    description: "Who goes first under load",
    schema: { enum: ["high", "normal", "low"] },
  },
];
