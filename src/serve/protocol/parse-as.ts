/** Documents of callers: their JSON, and their schemas. */

import type { z } from "zod";
import { RequestError } from "../../errors.ts";
import { assertDepth } from "../json-depth.ts";

/** @throws RequestError when a text is not JSON, or nested too deep. */
export function parseJson(where: string, text: string): unknown {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new RequestError(`${where}: must be JSON (${(cause as Error).message})`, { cause });
  }
  assertDepth(document);
  return document;
}

/** @throws RequestError that names the first field that does not hold. */
export function parseAs<T>(schema: z.ZodType<T>, body: unknown): T {
  const { data, error } = schema.safeParse(body);
  if (!error) return data;
  const [{ path, message }] = error.issues as [z.core.$ZodIssue];
  throw new RequestError(`${["body", ...path].join(".")}: ${message}`);
}
