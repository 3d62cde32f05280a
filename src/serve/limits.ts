/** What one request may ask for, and how many may wait. */

import { z } from "zod";
import { RequestError } from "../errors.ts";

export interface Limits {
  /** Bytes of a request's body to a model that reads texts; default 2 MiB. */
  readonly maxBodyBytes: number;
  /** Bytes of a picture, and of a request with pictures; base64 may take a third more. Default 20 MiB. */
  readonly maxImageBytes: number;
  /** Pictures of one request; default 16. */
  readonly maxImages: number;
  /** Inputs of one request; default 256. */
  readonly maxInputs: number;
  /** Characters of one text; default 100,000. */
  readonly maxCharacters: number;
  /** Inputs that wait for one model, beyond which requests are answered 429; default 1,024. */
  readonly maxQueue: number;
}

export const defaultLimits: Limits = {
  maxBodyBytes: 2 * 2 ** 20,
  maxImageBytes: 20 * 2 ** 20,
  maxImages: 16,
  maxInputs: 256,
  maxCharacters: 100_000,
  maxQueue: 1024,
};

/** A text, or an object of texts such as `{ question, context }`. */
const inputSchema = z.union([z.string(), z.record(z.string(), z.unknown())]);

export const bodySchema = z.strictObject({
  inputs: z.union([inputSchema, z.array(inputSchema).min(1)]),
  parameters: z.record(z.string(), z.unknown()).default({}),
  /** Whether generated text comes piece by piece. */
  stream: z.boolean().default(false),
});

export type PredictBody = z.infer<typeof bodySchema>;

/** The body of a prediction request. @throws RequestError that names the field that does not hold. */
export function parseBody(body: unknown, limits: Limits): PredictBody {
  if (body instanceof Uint8Array)
    throw new RequestError("body: this model reads texts; send JSON with inputs");
  const { data, error } = bodySchema.safeParse(body);
  if (error) throw new RequestError(`body: ${explain(error)}`);
  const count = countInputs(data.inputs);
  if (count > limits.maxInputs) {
    throw new RequestError(
      `inputs: at most ${limits.maxInputs} at once, got ${count}; send several requests`,
    );
  }
  assertTexts(data.inputs, limits);
  return data;
}

/** @throws RequestError when a text within a JSON value is too long. */
export function assertTexts(value: unknown, { maxCharacters }: Limits): void {
  for (const text of textsIn(value)) {
    if (text.length <= maxCharacters) continue;
    throw new RequestError(
      `inputs: a text may have ${maxCharacters} characters, got ${text.length}; send it in parts`,
    );
  }
}

export const countInputs = (inputs: unknown): number => (Array.isArray(inputs) ? inputs.length : 1);

const explain = ({ issues }: z.ZodError): string => {
  const [first] = issues;
  const path = first!.path.join(".");
  if (path === "" && first!.code === "invalid_type") return "expected a JSON object with inputs";
  if (first!.code === "unrecognized_keys")
    return `unknown ${first!.keys.join(", ")}; expected inputs, parameters, stream`;
  if (path.startsWith("inputs")) return "inputs: expected a text, an object of texts, or a list of them";
  return `${path}: ${first!.message}`;
};

/** Every string within a JSON value. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
