/** Tags from spans of characters, as annotation tools write them: `{"text": …, "entities": [{"start", "end", "label"}]}`. */

import type { TaggingExample } from "./examples.ts";
import { RowError } from "./text-file.ts";

interface Span {
  readonly start: number;
  readonly end: number;
  readonly label: string;
}

/** Fields that name what a span is, in the order they are looked for. */
const labelFields = ["label", "entity", "slot", "type", "tag", "entity_group"] as const;

/** A word, or one character that is neither letter nor space. */
const word = /[\p{L}\p{M}\p{N}_]+|[^\s\p{L}\p{M}\p{N}_]/gu;

/**
 * The words of a text, cut at the borders of spans, and their BIO tags. `start` and `end` (exclusive) count the text's
 * characters; spans may be objects or `[start, end, label]`, in any order. @throws RowError when spans overlap, are empty or
 * reach beyond the text.
 */
export function tagsOfSpans(text: string, value: unknown): TaggingExample {
  if (!Array.isArray(value)) throw new RowError(`spans must be a list, got ${JSON.stringify(value)}`);
  const units = [...text];
  const spans = value.map((item) => spanOf(item, units.length)).sort((a, b) => a.start - b.start);
  const example: TaggingExample = { tokens: [], tags: [] };
  let at = 0;
  for (const { start, end, label } of spans) {
    if (start < at) throw new RowError(`spans must not overlap, but one starts at ${start} before ${at}`);
    addWords(example, units.slice(at, start), undefined);
    addWords(example, units.slice(start, end), label);
    at = end;
  }
  addWords(example, units.slice(at), undefined);
  if (example.tokens.length === 0) throw new RowError("text must hold a word");
  return example;
}

function spanOf(item: unknown, length: number): Span {
  const fields: Record<string, unknown> = Array.isArray(item)
    ? { start: item[0], end: item[1], label: item[2] }
    : ((item ?? {}) as Record<string, unknown>);
  const { start, end } = fields;
  const name = labelFields.find((field) => typeof fields[field] === "string" && fields[field] !== "");
  if (typeof start !== "number" || typeof end !== "number" || name === undefined) {
    throw new RowError(`a span must have start, end and label, got ${JSON.stringify(item)}`);
  }
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || start >= end || end > length) {
    throw new RowError(`a span must lie in the text of ${length} characters, got ${start} to ${end}`);
  }
  return { start, end, label: fields[name] as string };
}

function addWords({ tokens, tags }: TaggingExample, characters: readonly string[], label?: string): void {
  for (const [order, found] of [...(characters.join("").match(word) ?? [])].entries()) {
    tokens.push(found);
    tags.push(label === undefined ? "O" : `${order === 0 ? "B" : "I"}-${label}`);
  }
}
