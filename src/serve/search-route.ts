/** `POST /v1/search/:index`: what an index holds that is nearest to a text or a picture. */

import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { RequestError } from "../errors.ts";
import type { Found, SearchOptions, SearchQuery } from "../retrieval/open-index.ts";
import { abortOnDisconnect, counted } from "./counted.ts";
import { readImageBody, withPictures } from "./image-body.ts";
import { assertTexts, type Limits } from "./limits.ts";
import type { ServerMetrics } from "./metrics.ts";
import type { Operation } from "./protocol/operation.ts";
import type { ServedIndex, ServedIndexes } from "./served-indexes.ts";

const parameters = z.strictObject({
  /** How many are wanted. */
  top_k: z.int().min(1).max(1000).default(10),
  rerank: z
    .int()
    .min(0)
    .max(100)
    .default(0)
    .describe("How many of the nearest a matcher looks at and orders again; 0: none"),
});

const bodySchema = z.strictObject({
  /** A text, or a picture as base64, a data address or an http address. */
  inputs: z.union([z.string(), z.strictObject({ image: z.string() })]),
  parameters: parameters.default({ top_k: 10, rerank: 0 }),
});

const foundSchema = z.object({
  source: z.string(),
  text: z.string().optional(),
  score: z.number().describe("Cosine with the question"),
  match: z.number().optional().describe("Where a matcher looked: probability that picture and text match"),
});

const operation: Operation = {
  tag: "Search",
  summary: "What an index holds that is nearest to a text or a picture, best first",
  body: bodySchema,
  files: { "multipart/form-data": "A picture as a file; `parameters` as JSON", "image/*": "A picture" },
  answer: z.array(foundSchema),
};

interface SearchContext {
  readonly indexes: ServedIndexes;
  readonly limits: Limits;
  readonly metrics: ServerMetrics;
}

interface SearchRoute {
  Params: { index: string };
}

export function addSearchRoute(server: FastifyInstance, { indexes, limits, metrics }: SearchContext): void {
  const bodyLimit = Math.ceil((limits.maxImageBytes * 4) / 3);
  server.post<SearchRoute>(
    "/v1/search/:index",
    { config: { operation }, bodyLimit },
    (request, reply): Promise<Found[]> =>
      counted(metrics, async (count) => {
        const { index: name } = request.params;
        const served = indexes.get(name);
        count.named(`index ${name}`);
        const signal = abortOnDisconnect(reply);
        const { query, wanted } = await questionOf(request, limits, signal);
        return served.index.search(query, { ...searchOptions(name, served, wanted), signal });
      }),
  );
}

type Wanted = z.output<typeof parameters>;

/** @throws RequestError for a closer look where no matcher is. */
function searchOptions(
  name: string,
  { reranker }: ServedIndex,
  { top_k: topK, rerank: candidates }: Wanted,
): SearchOptions {
  if (candidates === 0) return { topK };
  if (reranker) return { topK, candidates, reranker };
  throw new RequestError(
    `index "${name}": its model does not match pictures with texts; leave out rerank, or serve with --rerank MODEL`,
  );
}

/** @throws RequestError when the body holds neither a text nor a picture. */
async function questionOf(
  request: FastifyRequest,
  limits: Limits,
  signal: AbortSignal,
): Promise<{ query: SearchQuery; wanted: Wanted }> {
  if (request.body instanceof Uint8Array) {
    const { inputs, parameters: given } = await readImageBody(request, limits, signal);
    if (!(inputs instanceof Uint8Array)) throw new RequestError("body: must hold one picture and no texts");
    return { query: { image: inputs }, wanted: checked(parameters, given) };
  }
  const { inputs, parameters: given } = checked(bodySchema, request.body);
  if (typeof inputs !== "string") {
    const { image } = (await withPictures(inputs, limits, signal)) as { image: Uint8Array };
    return { query: { image }, wanted: given };
  }
  assertTexts(inputs, limits);
  return { query: { text: inputs }, wanted: given };
}

function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const { data, error } = schema.safeParse(value);
  if (!error) return data;
  const [{ path, message }] = error.issues as [z.core.$ZodIssue];
  throw new RequestError(
    `search: ${[...path, message].join(": ")}; send inputs (a text or an object with image) and parameters (top_k, rerank)`,
  );
}
