/** HTTP over whatever answers by a model's name: routes, health, metrics, and an end that loses no request. */

import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import Fastify, { type FastifyInstance, LogController } from "fastify";
import { RequestError } from "../errors.ts";
import { addAccess } from "./access/access-hooks.ts";
import type { KeyRing } from "./access/key-ring.ts";
import { addRouteRoute } from "./gateway/route-route.ts";
import { RoutedModels } from "./gateway/routed-models.ts";
import type { Rules } from "./gateway/rules.ts";
import { addHardening, connectionLimits } from "./hardening.ts";
import { addHealthRoutes, type ServerState } from "./health-routes.ts";
import { assertDepth } from "./json-depth.ts";
import type { Limits } from "./limits.ts";
import type { ServerMetrics } from "./metrics.ts";
import { addPageRoute } from "./page.ts";
import { addPredictRoute } from "./predict-route.ts";
import { sendProblem } from "./problem.ts";
import { addOpenAiRoutes } from "./protocol/openai.ts";
import { addOpenApi } from "./protocol/openapi.ts";
import { addV2Routes } from "./protocol/v2-http.ts";
import { V2Service } from "./protocol/v2-service.ts";
import { addRequestLog, type LogLevel } from "./request-log.ts";
import type { Backend } from "./served-models.ts";
import { addTracing } from "./tracing.ts";

export interface HttpOptions {
  readonly limits: Limits;
  readonly metrics: ServerMetrics;
  /** The routing rules that hold now. */
  readonly rules: () => Rules;
  readonly guard?: Guard | undefined;
  /** Told each line of the log (JSON); default none is written. */
  readonly log?: ((line: string) => void) | undefined;
  readonly logLevel?: LogLevel | undefined;
}

/** Who may ask. */
export interface Guard {
  /** Without, nobody needs a key. */
  readonly keys?: KeyRing | undefined;
  /** Whether requests must be addressed to this machine's own names; default false. */
  readonly isLocal?: boolean;
}

/** A server, and what other protocols than HTTP need of it. */
export interface Serving {
  /** Not listening yet. Closing it ends all. */
  readonly http: FastifyInstance;
  readonly models: RoutedModels;
  readonly service: V2Service;
  readonly state: ServerState;
}

/** Closing stops accepting connections, answers every request that has arrived, then closes the backend. */
export function serveBackend(backend: Backend, options: HttpOptions): Serving {
  const { limits, metrics, rules, guard = {} } = options;
  const http = createFastify({ ...options, isLocal: guard.isLocal });
  addAccess(http, guard.keys);
  const state: ServerState = { isWarm: false, isClosing: false };
  const models = new RoutedModels(backend, rules);
  const context = { pool: models, metrics, limits, state };
  const service = new V2Service(context);
  addOpenApi(http);
  addPageRoute(http);
  addHealthRoutes(http, state, backend);
  addPredictRoute(http, context);
  addRouteRoute(http, models);
  addOpenAiRoutes(http, context);
  addV2Routes(http, service);
  http.get("/metrics", async (_, reply) => {
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });

  http.addHook("onReady", async () => {
    void backend
      .warmUp((ref, error) => http.log.error(error, `model ${ref} does not open`))
      .then(() => {
        state.isWarm = true;
      });
  });
  http.addHook("preClose", async () => {
    state.isClosing = true;
  });
  // Connections that are answered while the server closes must not stay open, idle, and keep it from ending.
  http.addHook("onSend", async (_, reply) => {
    if (state.isClosing) reply.header("connection", "close");
  });
  http.addHook("onClose", () => backend.closeAll());
  closeUnused(http);
  return { http, models, service, state };
}

/**
 * Connections on which no request came, as browsers open them ahead, are not idle to Node: the server would wait for their
 * time-out of a minute before it ends.
 */
function closeUnused(server: FastifyInstance): void {
  const unused = new Set<Socket>();
  server.server.on("connection", (socket: Socket) => {
    unused.add(socket);
    socket.once("close", () => unused.delete(socket));
  });
  server.server.on("request", ({ socket }) => unused.delete(socket));
  server.addHook("preClose", async () => {
    for (const socket of unused) socket.destroy();
  });
}

type FastifyParts = Pick<HttpOptions, "limits" | "log" | "logLevel"> & Pick<Guard, "isLocal">;

/** A server without routes that answers errors as problem documents, keeps limits, and logs and traces requests. */
export function createFastify({
  limits,
  log,
  logLevel = "warn",
  isLocal = false,
}: FastifyParts): FastifyInstance {
  const server = Fastify({
    ...connectionLimits,
    bodyLimit: limits.maxBodyBytes,
    logger: log ? { level: logLevel, stream: { write: log } } : false,
    logController: new LogController({ disableRequestLogging: true }), // `addRequestLog` writes one line, without what was asked
    genReqId: ({ headers }) => givenId(headers["x-request-id"]) ?? randomUUID(),
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply), // addresses that cannot be decoded
    return503OnClosing: false, // requests that arrive on open connections while it closes are answered
  }) as unknown as FastifyInstance; // its type is of pino's logger, which no route uses
  server.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
  });
  addTracing(server);
  addRequestLog(server);
  addHardening(server, isLocal);
  server.addHook("preValidation", async ({ body }) => assertDepth(body));
  server.setErrorHandler((error: Error, request, reply) => sendProblem(error, request, reply));
  server.setNotFoundHandler((request) => {
    throw new RequestError(`${request.method} ${request.url}: there is no such route; GET / shows a page`, {
      code: "not_found",
    });
  });
  return server;
}

/** A caller's own request id, where it is short and plain enough to be logged and echoed. */
const givenId = (header: string | string[] | undefined): string | undefined =>
  typeof header === "string" && /^[\w.:-]{1,64}$/.test(header) ? header : undefined;
