/** `POST /v1/embeddings`, as OpenAI's: vectors of unit length for texts or tokens. D numbers of a vector. */

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { RequestError } from "../../errors.ts";
import { type Embedding, embeddingTask } from "../../tasks/embeddings.ts";
import { abortOnDisconnect, counted } from "../counted.ts";
import { assertTexts, type Limits } from "../limits.ts";
import type { PredictOptions } from "../model-host.ts";
import type { PredictContext } from "../predict-route.ts";
import { parseAs } from "./parse-as.ts";
import { termsOf } from "./terms.ts";

const text = z.string().min(1);
const tokens = z.array(z.int().nonnegative()).min(1);

const bodySchema = z.strictObject({
  model: z.string(),
  input: z
    .union([text, tokens, z.array(text).min(1), z.array(tokens).min(1)])
    .describe("Texts, or their tokens"),
  encoding_format: z.enum(["float", "base64"]).default("float").describe("base64: float32, little-endian"),
  dimensions: z.int().min(1).optional().describe("Keeps the first numbers, scaled to unit length again"),
  user: z.string().optional().describe("Is not used"),
});

const answerSchema = z.object({
  object: z.literal("list"),
  model: z.string(),
  data: z.array(
    z.object({
      object: z.literal("embedding"),
      index: z.int(),
      embedding: z.union([z.array(z.number()), z.string()]),
    }),
  ),
  usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
});

type EmbeddingBody = z.infer<typeof bodySchema>;

export function addEmbeddings(routes: FastifyInstance, context: PredictContext): void {
  const operation = {
    tag: "OpenAI",
    summary: "Vectors of texts",
    body: bodySchema,
    answer: answerSchema,
    hasTerms: true,
  };
  routes.post("/v1/embeddings", { config: { operation } }, (request, reply) => {
    const body = parseAs(bodySchema, request.body);
    const terms = { ...termsOf((name) => request.headers[name]), signal: abortOnDisconnect(reply) };
    return embed(context, body, terms);
  });
}

function embed(
  { pool, metrics, limits }: PredictContext,
  body: EmbeddingBody,
  terms: PredictOptions,
): Promise<z.infer<typeof answerSchema>> {
  return counted(metrics, async (count) => {
    const host = await pool.host(body.model);
    count.named(host.model.ref);
    const question = { inputs: inputsOf(body, limits), parameters: {}, task: embeddingTask };
    const embeddings = (await host.predict(question, terms)) as Embedding[];
    const total = embeddings.reduce((sum, each) => sum + each.tokens, 0);
    return {
      object: "list",
      model: host.model.ref,
      data: embeddings.map(({ embedding }, index) => ({
        object: "embedding",
        index,
        embedding: encode(embedding, body),
      })),
      usage: { prompt_tokens: total, total_tokens: total },
    };
  });
}

/** Always a list. @throws RequestError when there are too many, or one is too long. */
function inputsOf({ input }: EmbeddingBody, limits: Limits): readonly (string | number[])[] {
  const inputs = typeof input === "string" ? [input] : isOneList(input) ? [input] : input;
  if (inputs.length > limits.maxInputs)
    throw new RequestError(
      `input: at most ${limits.maxInputs} at once, got ${inputs.length}; send several requests`,
    );
  assertTexts(inputs, limits);
  return inputs;
}

const isOneList = (input: string[] | number[] | number[][]): input is number[] =>
  typeof input[0] === "number";

/** The vector [D] or its first `dimensions` numbers. @throws RequestError when it has not so many. */
function encode(base64: string, { encoding_format, dimensions }: EmbeddingBody): string | number[] {
  if (dimensions === undefined && encoding_format === "base64") return base64;
  const whole = new Float32Array(new Uint8Array(Buffer.from(base64, "base64")).buffer);
  const vector = dimensions === undefined ? whole : shortened(whole, dimensions);
  return encoding_format === "base64" ? Buffer.from(vector.buffer).toString("base64") : Array.from(vector);
}

function shortened(whole: Float32Array, dimensions: number): Float32Array {
  if (dimensions > whole.length)
    throw new RequestError(
      `dimensions: must be at most ${whole.length}, the size of the model's vectors, got ${dimensions}`,
    );
  const vector = whole.slice(0, dimensions);
  const length = Math.hypot(...vector);
  return vector.map((value) => value / Math.max(length, 1e-12));
}
