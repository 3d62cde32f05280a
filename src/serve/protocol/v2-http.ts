/** Routes of the Open Inference Protocol, version 2, over HTTP. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { RequestError } from "../../errors.ts";
import { abortOnDisconnect } from "../counted.ts";
import { sendProblem } from "../problem.ts";
import type { Operation } from "./operation.ts";
import { termsOf } from "./terms.ts";
import type { V2ModelName } from "./v2-client.ts";
import {
  answerSchema,
  encodeAnswer,
  jsonLengthHeader,
  parseRequest,
  requestSchema,
  splitBody,
} from "./v2-json.ts";
import type { V2Service } from "./v2-service.ts";

const serverSchema = z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) });
const describedTensors = z.array(
  z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.int()).describe("−1: any size") }),
);
const modelSchema = z.object({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: describedTensors,
  outputs: describedTensors,
});

const operation = (rest: Omit<Operation, "tag">): { operation: Operation } => ({
  operation: { tag: "Open Inference Protocol", ...rest },
});

interface ModelRoute {
  Params: { model: string; version?: string };
}

/** Adds `/v2` and what is below; its errors hold the protocol's `error` beside the problem document. */
export function addV2Routes(server: FastifyInstance, service: V2Service): void {
  void server.register(
    async (routes) => {
      routes.setErrorHandler((error: Error, request, reply) =>
        sendProblem(error, request, reply, ({ detail }) => ({ error: detail })),
      );
      routes.setNotFoundHandler((request) => {
        throw new RequestError(`${request.method} ${request.url}: there is no such route of the protocol`, {
          code: "not_found",
        });
      });
      addServerRoutes(routes, service);
      for (const path of ["/models/:model", "/models/:model/versions/:version"])
        addModelRoutes(routes, path, service);
    },
    { prefix: "/v2" },
  );
}

function addServerRoutes(routes: FastifyInstance, service: V2Service): void {
  const live = z.object({ live: z.boolean() });
  const ready = z.object({ ready: z.boolean() });
  routes.get("/", { config: operation({ summary: "The server", answer: serverSchema }) }, async () =>
    service.metadata(),
  );
  routes.get("/health/live", { config: operation({ summary: "Is it alive", answer: live }) }, async () => ({
    live: true,
  }));
  routes.get(
    "/health/ready",
    { config: operation({ summary: "May requests come; else 503", answer: ready }) },
    async (_, reply) => {
      const isReady = service.isReady();
      reply.code(isReady ? 200 : 503);
      return { ready: isReady };
    },
  );
}

function addModelRoutes(routes: FastifyInstance, path: string, service: V2Service): void {
  const readySchema = z.object({ name: z.string(), ready: z.boolean() });
  routes.get<ModelRoute>(
    path,
    { config: operation({ summary: "Tensors and versions of a model", answer: modelSchema }) },
    async ({ params }) => service.modelMetadata(nameOf(params)),
  );
  routes.get<ModelRoute>(
    `${path}/ready`,
    { config: operation({ summary: "Does a model answer; else 503", answer: readySchema }) },
    async ({ params }, reply) => {
      const ready = await service.isModelReady(nameOf(params));
      reply.code(ready ? 200 : 503);
      return { name: params.model, ready };
    },
  );
  routes.post<ModelRoute>(
    `${path}/infer`,
    {
      config: operation({
        summary: "Runs a model on tensors, or on texts and pictures as the BYTES tensor `inputs`",
        body: requestSchema,
        answer: answerSchema,
        hasTerms: true,
      }),
    },
    (request, reply) => infer(service, request, reply),
  );
}

const nameOf = ({ model, version }: ModelRoute["Params"]): V2ModelName => ({ name: model, version });

async function infer(
  service: V2Service,
  { body, headers, params }: FastifyRequest<ModelRoute>,
  reply: FastifyReply,
): Promise<Uint8Array> {
  const length = headers[jsonLengthHeader];
  const [json, binary] = body instanceof Uint8Array ? splitBody(body, length && String(length)) : [body];
  const { request, wantsBinary } = parseRequest(json, binary);
  const terms = { ...termsOf((name) => headers[name]), signal: abortOnDisconnect(reply) };
  const answer = await service.infer(nameOf(params), request, terms);
  const encoded = encodeAnswer(answer, wantsBinary);
  reply.type(encoded.jsonBytes === undefined ? "application/json" : "application/octet-stream");
  if (encoded.jsonBytes !== undefined) reply.header(jsonLengthHeader, encoded.jsonBytes);
  return encoded.body;
}
