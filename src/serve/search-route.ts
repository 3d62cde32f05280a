/** `POST /v1/search/:index`: what an index holds that is nearest to a text or a picture. */

import { basename } from "node:path";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { RequestError } from "../errors.ts";
import type { Found, SearchQuery } from "../retrieval/open-index.ts";
import { RetrievalIndex } from "../retrieval/open-index.ts";
import type { SessionOptions } from "../runtime/session.ts";
import type { Catalog } from "../store/catalog.ts";
import { abortOnDisconnect, counted } from "./counted.ts";
import { readImageBody, withPictures } from "./image-body.ts";
import { assertTexts, type Limits } from "./limits.ts";
import type { ServerMetrics } from "./metrics.ts";
import type { Operation } from "./protocol/operation.ts";

const parameters = z.strictObject({
  /** How many are wanted. */
  top_k: z.int().min(1).max(1000).default(10),
});

const bodySchema = z.strictObject({
  /** A text, or a picture as base64, a data address or an http address. */
  inputs: z.union([z.string(), z.strictObject({ image: z.string() })]),
  parameters: parameters.default({ top_k: 10 }),
});

const foundSchema = z.object({
  source: z.string(),
  text: z.string().optional(),
  score: z.number().describe("Cosine with the question"),
});

const operation: Operation = {
  tag: "Search",
  summary: "What an index holds that is nearest to a text or a picture, best first",
  body: bodySchema,
  files: { "multipart/form-data": "A picture as a file; `parameters` as JSON", "image/*": "A picture" },
  answer: z.array(foundSchema),
};

/** Indexes that are served, by the names of their folders. */
export type ServedIndexes = ReadonlyMap<string, RetrievalIndex>;

/** @throws ConfigError when a folder holds no index or its model is gone; then none stays open. */
export async function openIndexes(
  folders: readonly string[],
  catalog: Catalog,
  session: SessionOptions = {},
): Promise<ServedIndexes> {
  const indexes = new Map<string, RetrievalIndex>();
  try {
    for (const folder of folders)
      indexes.set(basename(folder), await RetrievalIndex.open(folder, { catalog, session }));
    return indexes;
  } catch (error) {
    await closeIndexes(indexes);
    throw error;
  }
}

export async function closeIndexes(indexes: ServedIndexes): Promise<void> {
  await Promise.all([...indexes.values()].map((index) => index.release()));
}

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
        const index = indexes.get(name);
        if (!index) {
          const known = [...indexes.keys()].join(", ") || "none";
          throw new RequestError(`index "${name}": is not served; known are ${known}`, { code: "not_found" });
        }
        count.named(`index ${name}`);
        const { query, topK } = await questionOf(request, limits, abortOnDisconnect(reply));
        return index.search(query, { topK });
      }),
  );
}

/** @throws RequestError when the body holds neither a text nor a picture. */
async function questionOf(
  request: FastifyRequest,
  limits: Limits,
  signal: AbortSignal,
): Promise<{ query: SearchQuery; topK: number }> {
  if (request.body instanceof Uint8Array) {
    const { inputs, parameters: given } = await readImageBody(request, limits, signal);
    if (!(inputs instanceof Uint8Array)) throw new RequestError("body: must hold one picture and no texts");
    return { query: { image: inputs }, topK: checked(parameters, given).top_k };
  }
  const { inputs, parameters: given } = checked(bodySchema, request.body);
  if (typeof inputs !== "string") {
    const { image } = (await withPictures(inputs, limits, signal)) as { image: Uint8Array };
    return { query: { image }, topK: given.top_k };
  }
  assertTexts(inputs, limits);
  return { query: { text: inputs }, topK: given.top_k };
}

function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const { data, error } = schema.safeParse(value);
  if (!error) return data;
  const [{ path, message }] = error.issues as [z.core.$ZodIssue];
  throw new RequestError(
    `search: ${[...path, message].join(": ")}; send inputs (a text or an object with image) and parameters (top_k)`,
  );
}
