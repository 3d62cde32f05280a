/** `POST /v1/predict/:model`: a pipeline's result over HTTP. */

import { errorCodes, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { TesseraeError } from "../errors.ts";
import { addImageParsers, readImageBody } from "./image-body.ts";
import { type Limits, parseBody } from "./limits.ts";
import type { Outcome, ServerMetrics } from "./metrics.ts";
import type { ModelPool } from "./model-pool.ts";

interface PredictRoute {
  Params: { model: string };
}

/** What a prediction needs beside the request. */
export interface PredictContext {
  readonly pool: ModelPool;
  readonly metrics: ServerMetrics;
  readonly limits: Limits;
}

export function addPredictRoute(server: FastifyInstance, context: PredictContext): void {
  addImageParsers(server, context.limits);
  server.post<PredictRoute>(
    "/v1/predict/:model",
    {
      bodyLimit: Math.ceil((context.limits.maxImageBytes * 4) / 3),
      onRequest: (request) => assertSize(context, request),
    },
    (request, reply) => predict(context, request, reply),
  );
}

/** Only pictures may be large. Names that are not there are told later. @throws FastifyError with status 413. */
async function assertSize(
  { pool, limits }: PredictContext,
  { headers, params }: FastifyRequest<PredictRoute>,
): Promise<void> {
  if (Number(headers["content-length"] ?? 0) <= limits.maxBodyBytes) return;
  const host = await pool.host(params.model).catch(() => undefined);
  if (!(await host?.readsPictures())) throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();
}

async function predict(
  { pool, metrics, limits }: PredictContext,
  request: FastifyRequest<PredictRoute>,
  reply: FastifyReply,
): Promise<unknown> {
  const start = performance.now();
  let model = "unknown"; // names that callers make up are not told to Prometheus
  let outcome: Outcome = "ok";
  try {
    const host = await pool.host(request.params.model);
    model = host.model.ref;
    reply.header("x-model-ref", model);
    const signal = abortOnDisconnect(reply);
    const question = (await host.readsPictures())
      ? await readImageBody(request, limits, signal)
      : parseBody(request.body, limits);
    const result = await host.predict(question, { signal });
    // Serialised here: Fastify would send a bare string or number as text.
    reply.type("application/json");
    return JSON.stringify(result);
  } catch (error) {
    outcome = outcomeOf(error);
    throw error;
  } finally {
    metrics.request(model, outcome, performance.now() - start);
  }
}

/** Aborts when the client goes away before its answer is sent. */
function abortOnDisconnect({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController();
  raw.once("close", () => {
    if (!raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof TesseraeError)) return "failed";
  if (error.code === "overloaded") return "rejected";
  if (error.code === "interrupted") return "cancelled";
  return error.status < 500 ? "invalid" : "failed";
}
