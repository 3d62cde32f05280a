/** Who may ask for what over HTTP. */

import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ApiKey, Scope } from "./key-file.ts";
import type { KeyRing } from "./key-ring.ts";
import { estimateTokens } from "./token-estimate.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks, where keys are needed. */
    apiKey?: ApiKey;
  }
}

/** Probes, and pages that hold nothing of anybody's. */
const openRoutes: ReadonlySet<string> = new Set([
  "/",
  "/docs",
  "/openapi.json",
  "/health/live",
  "/health/ready",
  "/v2/health/live",
  "/v2/health/ready",
]);

/**
 * Asks every request for a key before its body is read; without a ring none is needed. The key's holder is the tenant,
 * whatever the request says. Call it before routes are added.
 */
export function addAccess(server: FastifyInstance, ring: KeyRing | undefined): void {
  if (!ring) return;
  server.addHook("onRequest", async (request) => {
    const url = request.routeOptions.url ?? "";
    if (openRoutes.has(url)) return;
    request.apiKey = ring.admit(keyOf(request), scopeOf(url));
    request.headers["x-tenant"] = request.apiKey.id;
  });
  server.addHook("preHandler", async ({ apiKey, method, body }) => {
    if (apiKey && method === "POST") ring.spend(apiKey, estimateTokens(body));
  });
}

function scopeOf(url: string): Scope {
  if (url.startsWith("/admin/")) return "admin";
  return url === "/metrics" ? "metrics" : "predict";
}

function keyOf({ headers }: FastifyRequest): string | undefined {
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  const { "x-api-key": own } = headers;
  return bearer ?? (typeof own === "string" ? own : undefined);
}
