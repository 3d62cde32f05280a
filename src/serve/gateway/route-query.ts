/** What a request says about the model it wants. */

import { z } from "zod";
import { RequestError } from "../../errors.ts";
import { modalities } from "./rules.ts";

const text = z.string().min(1).max(200);

/** As a query string says it, beside the model's name in the path and headers for the rest. */
export const wishesSchema = z.strictObject({
  task: text.optional(),
  modality: z.enum(modalities).optional(),
  language: text.optional().describe("As the rules say it, such as de"),
  quality: text.optional().describe("A tier of the rules: best, standard, fast, economy or one of their own"),
  maxCost: z.coerce.number().nonnegative().optional(),
  key: text.optional().describe("Requests of one key stay with one version"),
});

export const routeQuerySchema = wishesSchema.extend({
  model: text.optional().describe("A name, an alias of the rules, or a reference"),
  deadlineMs: z.coerce
    .number()
    .positive()
    .max(3_600_000)
    .optional()
    .describe("Milliseconds within which the answer is wanted"),
});

export type Wishes = z.infer<typeof wishesSchema>;
export type RouteQuery = z.infer<typeof routeQuerySchema>;

/** A request's wishes from its query string. @throws RequestError that names what does not hold. */
export const parseWishes = (query: unknown): Wishes => checked(wishesSchema, query);

/** The body of `POST /v1/route`. @throws RequestError that names what does not hold. */
export const parseRouteQuery = (body: unknown): RouteQuery => checked(routeQuerySchema, body);

function checked<T>(schema: z.ZodObject & z.ZodType<T>, given: unknown): T {
  const { data, error } = schema.safeParse(given);
  if (!error) return data;
  const [first] = error.issues as [z.core.$ZodIssue];
  if (first.code === "unrecognized_keys") {
    const known = Object.keys(schema.shape).join(", ");
    throw new RequestError(`route: unknown ${first.keys.join(", ")}; expected ${known}`);
  }
  throw new RequestError(`route: ${first.path.join(".") || "the query"}: ${first.message}`);
}
