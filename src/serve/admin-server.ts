/** What changes or stops a server, on a port of its own that strangers cannot reach. */

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { RequestError } from "../errors.ts";
import { addAccess } from "./access/access-hooks.ts";
import type { KeyRing } from "./access/key-ring.ts";
import { createFastify } from "./http-server.ts";
import { defaultLimits } from "./limits.ts";
import type { ServerMetrics } from "./metrics.ts";

/** What a server lets its operator do; what it has not is answered 404. */
export interface AdminControls {
  /** Lets a name mean another version; returns the reference that answers from now on. */
  readonly swap?: (name: string, ref: string | undefined) => Promise<string>;
  /** Reads the routing rules again. @throws ConfigError when they do not hold; those before stay. */
  readonly reloadRules?: () => Promise<void>;
  /** Begins to end: not ready any more, arrived requests are answered. */
  readonly drain: () => void;
}

export interface AdminOptions {
  readonly controls: AdminControls;
  readonly metrics: ServerMetrics;
  /** Keys with the scopes admin and metrics; none are needed where there is none. */
  readonly keys?: KeyRing | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

const swapSchema = z.strictObject({ name: z.string().min(1).max(200), ref: z.string().max(300).optional() });

/** Not listening yet. */
export function buildAdmin({ controls, metrics, keys, log }: AdminOptions): FastifyInstance {
  const server = createFastify({ limits: defaultLimits, log, isLocal: keys === undefined });
  addAccess(server, keys);
  const { swap, reloadRules, drain } = controls;
  server.get("/metrics", async (_, reply) => {
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });
  server.get("/health/live", async () => ({ status: "alive" }));
  if (swap)
    server.post("/admin/swap", async ({ body }) => {
      const { data, error } = swapSchema.safeParse(body);
      if (error) throw new RequestError("body: expected a name and, to fix a version, a ref");
      return { ref: await swap(data.name, data.ref) };
    });
  if (reloadRules)
    server.post("/admin/rules/reload", async () => {
      await reloadRules();
      return { status: "reloaded" };
    });
  server.post("/admin/drain", async () => {
    drain();
    return { status: "draining" };
  });
  return server;
}
