/** `GET /v1/models`: every model, in OpenAI's shape with what else there is to know. */

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import type { ModelStatus } from "../model-pool.ts";
import type { PredictContext } from "../predict-route.ts";
import type { Operation } from "./operation.ts";

const modelSchema = z.looseObject({
  id: z.string().describe("How to ask for exactly this model"),
  object: z.literal("model"),
  created: z.int().describe("Seconds since 1970; 0 where it is not known"),
  owned_by: z.string().describe("Where it comes from: store, bundled or folder"),
  name: z.string(),
  ref: z.string(),
  state: z.string(),
  task: z.string().optional(),
  labels: z.array(z.string()).readonly().optional(),
  metrics: z.record(z.string(), z.number()).readonly().optional(),
  queueLength: z.int(),
});
const listSchema = z.object({ object: z.literal("list"), data: z.array(modelSchema) });

const operation = (summary: string, answer: z.ZodType): { operation: Operation } => ({
  operation: { tag: "Models", summary, answer },
});

export function addModels(routes: FastifyInstance, { pool }: PredictContext): void {
  routes.get("/v1/models", { config: operation("All models", listSchema) }, async () => ({
    object: "list",
    data: (await pool.status()).map(entryOf),
  }));
  routes.get<{ Params: { model: string } }>(
    "/v1/models/:model",
    { config: operation("One model, by name or reference", modelSchema) },
    async ({ params }) => {
      const { ref } = (await pool.host(params.model)).model;
      const status = (await pool.status()).find((each) => each.ref === ref);
      if (status) return entryOf(status);
      throw new ConfigError(`model "${ref}": is gone`, { code: "not_found" });
    },
  );
}

function entryOf(status: ModelStatus): z.infer<typeof modelSchema> {
  const created = status.createdAt === undefined ? 0 : Math.floor(Date.parse(status.createdAt) / 1000);
  return { id: status.ref, object: "model", created, owned_by: status.source, ...status };
}
