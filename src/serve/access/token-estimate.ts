/** Tokens that a request will cost, before it is computed: what a key's budget is charged. */

/** English has about four characters to a token, most other scripts fewer. */
const bytesPerToken = 4;
/** A picture of 224 × 224 pixels in patches of 16. */
const tokensPerPicture = 197;

/** Tokens of a parsed body, those asked to be written among them; of a file, one picture's. */
export function estimateTokens(body: unknown): number {
  if (body instanceof Uint8Array) return tokensPerPicture;
  const written = Object.entries(optionsOf(body))
    .filter(([name, value]) => ["max_tokens", "max_new_tokens"].includes(name) && typeof value === "number")
    .reduce((sum, [, value]) => sum + Math.max(0, Number(value)), 0);
  return Math.ceil(textBytes(body) / bytesPerToken) + (Number.isFinite(written) ? written : 0);
}

/** Fields of the body and of its `parameters`. */
function optionsOf(body: unknown): Record<string, unknown> {
  if (typeof body !== "object" || body === null) return {};
  const { parameters } = body as { parameters?: unknown };
  return { ...body, ...(typeof parameters === "object" && parameters) };
}

/** Bytes of all texts in a JSON value; a number counts as one token, since it may be one. */
function textBytes(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value === "number") return bytesPerToken;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((sum, each) => sum + textBytes(each), 0);
}
