/** `POST /v1/predict/:model`: a pipeline's result over HTTP. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { TesseraeError } from "../errors.ts";
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
  server.post<PredictRoute>("/v1/predict/:model", (request, reply) => predict(context, request, reply));
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
    const result = await host.predict(parseBody(request.body, limits), abortOnDisconnect(reply));
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
