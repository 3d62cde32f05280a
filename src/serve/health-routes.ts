/** Health for probes and people: alive, ready, and a summary. */

import type { FastifyInstance } from "fastify";
import type { Backend } from "./served-models.ts";

/** Where the server stands; set by `buildServer`. */
export interface ServerState {
  isWarm: boolean;
  isClosing: boolean;
}

export function addHealthRoutes(
  server: FastifyInstance,
  state: ServerState,
  backend: Pick<Backend, "openHosts">,
): void {
  const isReady = (): boolean => state.isWarm && !state.isClosing;
  server.get("/health/live", async () => ({ status: "alive" }));
  server.get("/health/ready", async (_, reply) => {
    reply.code(isReady() ? 200 : 503);
    return { status: isReady() ? "ready" : state.isClosing ? "closing" : "starting" };
  });
  server.get("/health", async () => ({
    status: isReady() ? "ready" : state.isClosing ? "closing" : "starting",
    uptimeSeconds: Math.round(process.uptime()),
    models: backend.openHosts().map(({ model, state: modelState, queueLength }) => ({
      ref: model.ref,
      state: modelState,
      queueLength,
    })),
  }));
}
