/** Routes that clients of OpenAI's API know: embeddings, completions and models. */

import type { FastifyInstance } from "fastify";
import type { PredictContext } from "../predict-route.ts";
import { type Problem, sendProblem } from "../problem.ts";
import { addCompletions } from "./openai-completions.ts";
import { addEmbeddings } from "./openai-embeddings.ts";
import { addModels } from "./openai-models.ts";

/** Errors hold `error` as OpenAI's clients read it, beside the problem document. */
export function addOpenAiRoutes(server: FastifyInstance, context: PredictContext): void {
  void server.register(async (routes) => {
    routes.setErrorHandler((error: Error, request, reply) => sendProblem(error, request, reply, asOpenAi));
    addModels(routes, context);
    addEmbeddings(routes, context);
    addCompletions(routes, context);
  });
}

const asOpenAi = ({ status, code, detail }: Problem): object => ({
  error: {
    message: detail,
    type: status < 500 ? "invalid_request_error" : "server_error",
    param: null,
    code,
  },
});
