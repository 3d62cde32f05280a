/** `POST /v1/route`: which model would answer a request, and why, without running it. */

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { Operation } from "../protocol/operation.ts";
import { parseRouteQuery, routeQuerySchema } from "./route-query.ts";
import type { RoutedModels } from "./routed-models.ts";

const answerSchema = z.object({
  rule: z.string().optional().describe("The rule that decided; none where no rule matched"),
  candidates: z
    .array(z.object({ asked: z.string(), ref: z.string(), reasons: z.array(z.string()) }))
    .describe("To be tried in this order"),
  rejected: z.array(z.object({ ref: z.string(), reason: z.string(), isAway: z.boolean() })),
});

const operation: Operation = {
  tag: "Predict",
  summary: "Which model would answer a request, and why, without running it",
  body: routeQuerySchema,
  answer: answerSchema,
};

export function addRouteRoute(server: FastifyInstance, models: Pick<RoutedModels, "explain">): void {
  server.post("/v1/route", { config: { operation } }, ({ body }) => models.explain(parseRouteQuery(body)));
}
