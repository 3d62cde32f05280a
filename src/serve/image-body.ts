/** Bodies of requests to models that read pictures: the file itself, a form, or JSON with base64 and addresses. */

import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { RequestError } from "../errors.ts";
import { downloadSafely } from "./download.ts";
import { assertTexts, type Limits } from "./limits.ts";

/** A question whose pictures are the bytes of their files. */
export interface ImageBody {
  readonly inputs: unknown;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly stream?: false;
}

const parameters = z.record(z.string(), z.unknown()).default({});
/**
 * A picture, or an object with one under `image` or several under `images` beside texts such as a question, and such
 * objects under `examples`. In the place of a picture may be a list: the frames of a video.
 */
const input = z.union([z.string(), z.record(z.string(), z.unknown())]);
const jsonSchema = z.strictObject({ inputs: z.union([input, z.array(input).min(1)]), parameters });

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
      "body: expected a picture, a form, or JSON with inputs (base64, a data address, an http address, an object with image, or a list) and parameters",
    );
  }
  return { inputs: await withPictures(data.inputs, limits, signal), parameters: data.parameters };
}

/**
 * Inputs with the bytes of their pictures in the place of base64 and addresses.
 * @throws RequestError when one is neither, or there are too many.
 */
export async function withPictures(inputs: unknown, limits: Limits, signal: AbortSignal): Promise<unknown> {
  assertCount(picturesIn(inputs), limits);
  return withBytes(inputs, limits, signal);
}

function picturesIn(item: unknown): number {
  if (Array.isArray(item)) return item.reduce<number>((count, each) => count + picturesIn(each), 0);
  if (!isObject(item)) return 1;
  const fields = pictureFields.map((name) => item[name]).filter((field) => field !== undefined);
  return Math.max(1, picturesIn(fields));
}

/** Fields of an input that are pictures or hold them. */
const pictureFields: readonly string[] = ["image", "images", "examples"];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !(value instanceof Uint8Array);

async function withBytes(item: unknown, limits: Limits, signal: AbortSignal): Promise<unknown> {
  if (typeof item === "string") return pictureOf(item, limits, signal);
  if (Array.isArray(item)) {
    const read: unknown[] = [];
    for (const each of item) read.push(await withBytes(each, limits, signal)); // one download at a time
    return read;
  }
  if (!isObject(item)) return item;
  const fields = Object.entries(item);
  const texts = fields.filter(([name]) => !pictureFields.includes(name));
  assertTexts(texts, limits);
  const read = { ...item };
  for (const [name, value] of fields)
    if (pictureFields.includes(name)) read[name] = await withBytes(value, limits, signal);
  return read;
}

async function pictureOf(text: string, limits: Limits, signal: AbortSignal): Promise<Uint8Array> {
  if (/^https?:/i.test(text)) return downloadSafely(text, { maxBytes: limits.maxImageBytes, signal });
  const base64 = text.replace(/^data:[\w/+.-]*;base64,/i, "");
  if (/^[A-Za-z0-9+/_-]+={0,2}\s*$/.test(base64)) return new Uint8Array(Buffer.from(base64, "base64"));
  throw new RequestError("inputs: a picture must be base64, a data address or an http address");
}

/**
 * Files of a form under any name; a field `parameters` holds JSON. Other fields, such as a question, are texts beside
 * the picture.
 */
async function fromForm(body: Uint8Array, type: string, limits: Limits): Promise<ImageBody> {
  const form = await new Response(body, { headers: { "content-type": type } })
    .formData()
    .catch((cause: Error) => {
      throw new RequestError(`body: is not a form of files (${cause.message})`, { cause });
    });
  const fields = [...form].filter(([name]) => name !== "parameters");
  const files = fields.flatMap(([, value]) => (typeof value === "string" ? [] : [value]));
  const texts = Object.fromEntries(fields.filter(([, value]) => typeof value === "string"));
  if (files.length === 0) throw new RequestError("body: the form must hold a picture as a file");
  assertCount(files.length, limits);
  assertTexts(texts, limits);
  const pictures = await Promise.all(files.map(async (file) => new Uint8Array(await file.arrayBuffer())));
  return { inputs: formInputs(pictures, texts), parameters: formParameters(form.get("parameters")) };
}

function formInputs(pictures: readonly Uint8Array[], texts: object): unknown {
  const [only] = pictures;
  if (Object.keys(texts).length > 0)
    return pictures.length === 1 ? { ...texts, image: only } : { ...texts, images: pictures };
  return pictures.length === 1 ? only : pictures;
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
