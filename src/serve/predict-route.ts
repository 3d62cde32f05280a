/** `POST /v1/predict/:model`: a pipeline's result over HTTP. */

import { errorCodes, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { z } from "zod";
import { abortOnDisconnect, RequestCount } from "./counted.ts";
import { parseWishes, wishesSchema } from "./gateway/route-query.ts";
import type { RoutedModels } from "./gateway/routed-models.ts";
import { addImageParsers, readImageBody } from "./image-body.ts";
import { bodySchema, type Limits, parseBody } from "./limits.ts";
import type { ServerMetrics } from "./metrics.ts";
import { sendEvents } from "./protocol/event-stream.ts";
import { generatedEvents, piecesOf } from "./protocol/generated-events.ts";
import type { Operation } from "./protocol/operation.ts";
import { termsOf } from "./protocol/terms.ts";
import type { ServedModel, ServedModels } from "./served-models.ts";

interface PredictRoute {
  /** Without a model, the router picks one by the request's wishes. */
  Params: { model?: string };
}

/** What a prediction needs beside the request. */
export interface PredictContext {
  readonly pool: ServedModels;
  readonly metrics: ServerMetrics;
  readonly limits: Limits;
}

const operation: Operation = {
  tag: "Predict",
  summary: "What the model's pipeline answers, in the shapes of Hugging Face's",
  query: wishesSchema,
  body: bodySchema,
  files: {
    "multipart/form-data":
      "Pictures as files; `parameters` as JSON; other fields are texts beside the picture",
    "image/*": "A picture",
  },
  answer: z.unknown().describe("The pipeline's result: of one input, or a list of them"),
  streams: { "text/event-stream": "With `stream`: pieces of generated text as Hugging Face's events" },
  hasTerms: true,
};

/** As others have, with a router that reads wishes. */
interface RoutedContext extends PredictContext {
  readonly pool: Pick<RoutedModels, "host" | "hostFor" | "status" | "live">;
}

export function addPredictRoute(server: FastifyInstance, context: RoutedContext): void {
  addImageParsers(server, context.limits);
  for (const path of ["/v1/predict/:model", "/v1/predict"])
    server.post<PredictRoute>(
      path,
      {
        config: { operation },
        bodyLimit: Math.ceil((context.limits.maxImageBytes * 4) / 3),
        onRequest: (request) => assertSize(context, request),
      },
      (request, reply) => predict(context, request, reply),
    );
}

/** What answers the request: the model it names, or one that fits what it wishes. @throws as `hostFor`. */
function hostOf(
  { pool }: RoutedContext,
  { id, headers, params, query }: FastifyRequest<PredictRoute>,
): Promise<ServedModel> {
  const { deadlineMs, tenant } = termsOf((name) => headers[name]);
  const wishes = parseWishes(query);
  return pool.hostFor({ ...wishes, key: wishes.key ?? tenant ?? id, model: params.model, deadlineMs });
}

/** Only pictures may be large. Names that are not there are told later. @throws FastifyError with status 413. */
async function assertSize(context: RoutedContext, request: FastifyRequest<PredictRoute>): Promise<void> {
  if (Number(request.headers["content-length"] ?? 0) <= context.limits.maxBodyBytes) return;
  const host = await hostOf(context, request).catch(() => undefined);
  if (!(await host?.readsPictures())) throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();
}

async function predict(
  context: RoutedContext,
  request: FastifyRequest<PredictRoute>,
  reply: FastifyReply,
): Promise<unknown> {
  const { limits } = context;
  const count = new RequestCount(context.metrics);
  try {
    const host = await hostOf(context, request);
    count.named(host.model.ref);
    reply.header("x-model-ref", host.model.ref);
    const signal = abortOnDisconnect(reply);
    const options = { ...termsOf((name) => request.headers[name]), signal };
    const { stream = false, ...question } = (await host.readsPictures())
      ? await readImageBody(request, limits, signal)
      : parseBody(request.body, limits);
    if (stream) {
      const events = generatedEvents(piecesOf(host, question, options));
      return await sendEvents(reply, events, { onEnd: (error) => count.end(error) });
    }
    const result = await host.predict(question, options);
    count.named(host.model.ref); // another may have answered than was asked first
    reply.header("x-model-ref", host.model.ref);
    count.end();
    // Serialised here: Fastify would send a bare string or number as text.
    reply.type("application/json");
    return JSON.stringify(result);
  } catch (error) {
    count.end(error);
    throw error;
  }
}
