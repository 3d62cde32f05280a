/** One line of the log for each request: who, what, how it ended; never what was asked. */

import type { FastifyInstance } from "fastify";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Probes and metrics come all the time and say nothing. */
const quietRoutes = /^\/(health|metrics|v2\/health)/;

export function addRequestLog(server: FastifyInstance): void {
  server.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "unknown";
    const line = {
      method: request.method,
      route,
      model: reply.getHeader("x-model-ref"),
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      key: request.apiKey?.id,
    };
    if (quietRoutes.test(route)) request.log.debug(line, "request");
    else request.log.info(line, "request");
  });
}
