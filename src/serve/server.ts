/** The HTTP server: predictions, models, health, metrics and a page to try them. */

import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import Fastify, { type FastifyInstance } from "fastify";
import { RequestError } from "../errors.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { Catalog } from "../store/catalog.ts";
import { addHealthRoutes, type ServerState } from "./health-routes.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { ServerMetrics } from "./metrics.ts";
import { ModelPool } from "./model-pool.ts";
import { addPageRoute } from "./page.ts";
import { addPredictRoute } from "./predict-route.ts";
import { sendProblem } from "./problem.ts";

export interface ServerOptions {
  /** Default: the store and the bundled models. */
  readonly catalog?: Catalog;
  /** Models to open at once: names, references or folders; served under their name. Default none. */
  readonly models?: readonly string[];
  readonly limits?: Partial<Limits>;
  /** Provider and threads of each model's session. */
  readonly session?: Pick<SessionOptions, "provider" | "threads">;
  /** Told each line of the log (JSON); default none is written. */
  readonly log?: (line: string) => void;
}

/**
 * A server that is not listening yet; bundled models and those named open in the background. Closing it stops
 * accepting connections, answers every request that has arrived, then ends the workers.
 * @throws ConfigError, code not_found, for a name in `models` that is not there.
 */
export async function buildServer(options: ServerOptions = {}): Promise<FastifyInstance> {
  const { catalog = new Catalog(), session } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const named = await Promise.all((options.models ?? []).map((name) => catalog.locate(name)));
  const server = createFastify(limits, options.log);
  const state: ServerState = { isWarm: false, isClosing: false };
  const metrics = new ServerMetrics(() => pool.openHosts());
  const pool = new ModelPool(catalog, named, {
    maxQueue: limits.maxQueue,
    ...(session && { session }),
    onBatch: (model, record) => metrics.batch(model, record),
  });

  addPageRoute(server);
  addHealthRoutes(server, state, pool);
  addPredictRoute(server, { pool, metrics, limits });
  server.get("/v1/models", async () => ({ models: await pool.status() }));
  server.get("/metrics", async (_, reply) => {
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });

  server.addHook("onReady", async () => {
    void pool
      .warmUp((ref, error) => server.log.error(error, `model ${ref} does not open`))
      .then(() => {
        state.isWarm = true;
      });
  });
  server.addHook("preClose", async () => {
    state.isClosing = true;
  });
  // Connections that are answered while the server closes must not stay open, idle, and keep it from ending.
  server.addHook("onSend", async (_, reply) => {
    if (state.isClosing) reply.header("connection", "close");
  });
  server.addHook("onClose", () => pool.closeAll());
  closeUnused(server);
  return server;
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

function createFastify(limits: Limits, log: ServerOptions["log"]): FastifyInstance {
  const server = Fastify({
    bodyLimit: limits.maxBodyBytes,
    logger: log ? { level: "warn", stream: { write: log } } : false,
    genReqId: ({ headers }) => givenId(headers["x-request-id"]) ?? randomUUID(),
    return503OnClosing: false, // requests that arrive on open connections while it closes are answered
  });
  server.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
  });
  server.setErrorHandler(sendProblem);
  server.setNotFoundHandler((request) => {
    throw new RequestError(`${request.method} ${request.url}: there is no such route; GET / shows a page`, {
      code: "not_found",
    });
  });
  return server as unknown as FastifyInstance;
}

/** A caller's own request id, where it is short and plain enough to be logged and echoed. */
const givenId = (header: string | string[] | undefined): string | undefined =>
  typeof header === "string" && /^[\w.:-]{1,64}$/.test(header) ? header : undefined;
