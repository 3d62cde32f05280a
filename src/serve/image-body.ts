/** Bodies of requests to models that read pictures: the file itself, a form, or JSON with base64 and addresses. */

import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { RequestError } from "../errors.ts";
import { downloadSafely } from "./download.ts";
import type { Limits } from "./limits.ts";

/** Pictures as their files, and the parameters of the question. */
export interface ImageBody {
  readonly inputs: Uint8Array | Uint8Array[];
  readonly parameters: Readonly<Record<string, unknown>>;
}

const parameters = z.record(z.string(), z.unknown()).default({});
const jsonSchema = z.strictObject({
  inputs: z.union([z.string(), z.array(z.string()).min(1)]),
  parameters,
});

/** Lets Fastify take files and forms as bytes. */
export function addImageParsers(server: FastifyInstance, { maxImageBytes }: Limits): void {
  const options = { parseAs: "buffer", bodyLimit: maxImageBytes } as const;
  for (const type of [/^image\//, /^multipart\/form-data/, "application/octet-stream"])
    server.addContentTypeParser(type, options, (_, body, done) => done(null, body));
}

/** @throws RequestError when the body, or an address in it, does not hold pictures. */
export async function readImageBody(
  request: FastifyRequest,
  limits: Limits,
  signal: AbortSignal,
): Promise<ImageBody> {
  const { body } = request;
  if (!(body instanceof Uint8Array)) return fromJson(body, limits, signal);
  const type = request.headers["content-type"] ?? "";
  return type.startsWith("multipart/") ? fromForm(body, type, limits) : { inputs: body, parameters: {} };
}

async function fromJson(body: unknown, limits: Limits, signal: AbortSignal): Promise<ImageBody> {
  const { data, error } = jsonSchema.safeParse(body);
  if (error) {
    throw new RequestError(
      "body: expected a picture, a form, or JSON with inputs (base64, a data address, an http address, or a list) and parameters",
    );
  }
  const texts = [data.inputs].flat();
  assertCount(texts.length, limits);
  const pictures: Uint8Array[] = [];
  for (const text of texts) pictures.push(await pictureOf(text, limits, signal)); // one download at a time
  return { inputs: Array.isArray(data.inputs) ? pictures : pictures[0]!, parameters: data.parameters };
}

async function pictureOf(text: string, limits: Limits, signal: AbortSignal): Promise<Uint8Array> {
  if (/^https?:/i.test(text)) return downloadSafely(text, { maxBytes: limits.maxImageBytes, signal });
  const base64 = text.replace(/^data:[\w/+.-]*;base64,/i, "");
  if (/^[A-Za-z0-9+/_-]+={0,2}\s*$/.test(base64)) return new Uint8Array(Buffer.from(base64, "base64"));
  throw new RequestError("inputs: a picture must be base64, a data address or an http address");
}

/** Files of a form under any name; a field `parameters` holds JSON. */
async function fromForm(body: Uint8Array, type: string, limits: Limits): Promise<ImageBody> {
  const form = await new Response(body, { headers: { "content-type": type } })
    .formData()
    .catch((cause: Error) => {
      throw new RequestError(`body: is not a form of files (${cause.message})`, { cause });
    });
  const files = [...form.values()].filter((value) => typeof value !== "string");
  if (files.length === 0) throw new RequestError("body: the form must hold a picture as a file");
  assertCount(files.length, limits);
  const pictures = await Promise.all(files.map(async (file) => new Uint8Array(await file.arrayBuffer())));
  const inputs = pictures.length === 1 ? pictures[0]! : pictures;
  return { inputs, parameters: formParameters(form.get("parameters")) };
}

function formParameters(field: unknown): Readonly<Record<string, unknown>> {
  if (field === null) return {};
  try {
    return parameters.parse(JSON.parse(String(field)));
  } catch (cause) {
    throw new RequestError("parameters: the form's field must be a JSON object", { cause });
  }
}

function assertCount(count: number, { maxImages }: Limits): void {
  if (count <= maxImages) return;
  throw new RequestError(
    `inputs: at most ${maxImages} pictures at once, got ${count}; send several requests`,
  );
}
