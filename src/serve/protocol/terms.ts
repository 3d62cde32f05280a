/** On what terms a caller asks, said in HTTP headers or gRPC metadata. */

import { z } from "zod";
import { RequestError } from "../../errors.ts";
import type { PredictOptions } from "../model-host.ts";

/** Milliseconds from now after which the answer is of no use; who goes first under load; on whose behalf. */
export const termHeaders = {
  deadlineMs: "x-deadline-ms",
  priority: "x-priority",
  tenant: "x-tenant",
} as const;

const termsSchema = z.object({
  deadlineMs: z.coerce.number().positive().max(3_600_000).optional(),
  priority: z.enum(["high", "normal", "low"]).optional(),
  tenant: z.string().max(128).optional(),
});

/** `header` gives the value of a header, of which there may be none. @throws RequestError when one does not hold. */
export function termsOf(header: (name: string) => unknown): Omit<PredictOptions, "signal"> {
  const given = Object.entries(termHeaders).map(([field, name]) => [field, header(name)]);
  const { data, error } = termsSchema.safeParse(Object.fromEntries(given));
  if (!error) return data;
  const [{ path, message }] = error.issues as [z.core.$ZodIssue];
  throw new RequestError(`${termHeaders[path[0] as keyof typeof termHeaders]}: ${message}`);
}

/** Headers that say the same. */
export function headersOf(terms: Omit<PredictOptions, "signal" | "deadlineMs">): Record<string, string> {
  const { priority, tenant } = terms;
  return {
    ...(priority && { [termHeaders.priority]: priority }),
    ...(tenant && { [termHeaders.tenant]: tenant }),
  };
}
