/** What a model reads: a text, a pair or a question with its context, as tokens that know their place and word. */

import { z } from "zod";
import { RequestError } from "../errors.ts";
import type { Encoding } from "../text/encoding.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

/** A text, a pair of texts, or a question and the context that answers it. */
export type ExplainInput =
  | string
  | { readonly text: string; readonly text_pair?: string | undefined }
  | { readonly question: string; readonly context: string };

export interface ExplainedToken {
  /** As the vocabulary writes it: `##ing`. */
  readonly token: string;
  /** As the text has it; the token itself where it is not of the text. */
  readonly text: string;
  /** Whether the tokenizer added it. */
  readonly isSpecial: boolean;
  /** Number of the word it is a piece of, counted over all texts; special tokens are words of their own. */
  readonly word: number;
  /** Whether something, such as a space, stands between it and the token before. */
  readonly isApart: boolean;
}

const inputSchema = z.union([
  z.string().transform((text) => ({ text, text_pair: undefined })),
  z.strictObject({ text: z.string(), text_pair: z.string().optional() }),
  z
    .strictObject({ question: z.string(), context: z.string() })
    .transform(({ question, context }) => ({ text: question, text_pair: context })),
]);

/** One or two texts. @throws RequestError when the input is not a text, a pair, or a question and its context. */
export function readInput(input: ExplainInput): [text: string, pair: string | undefined] {
  const { data, error } = inputSchema.safeParse(input);
  if (data) return [data.text, data.text_pair];
  throw new RequestError(`explain: expected a text, a pair or a question: ${z.prettifyError(error)}`);
}

/** A text that is ready for a model. */
export interface TokenizedInput {
  readonly texts: readonly string[];
  readonly encoding: Encoding;
  readonly tokens: readonly ExplainedToken[];
  /** Tokens that had to be left out. */
  readonly leftOut: number;
}

/** The tokens of a text or a pair, at most `maxLength` of them. @throws RequestError when there are none. */
export function tokenizeInput(
  tokenizer: Tokenizer,
  text: string,
  pair: string | undefined,
  maxLength: number,
): TokenizedInput {
  const whole = tokenizer.encode(text, pair);
  const encoding = whole.length <= maxLength ? whole : tokenizer.encode(text, pair, { maxLength });
  if (!encoding.specialTokensMask.includes(0)) {
    throw new RequestError("explain: the text must have at least one token, but is empty");
  }
  const texts = pair === undefined ? [text] : [text, pair];
  return { texts, encoding, tokens: tokensOf(encoding, texts), leftOut: whole.length - encoding.length };
}

function tokensOf(encoding: Encoding, texts: readonly string[]): ExplainedToken[] {
  const { tokens, offsets, sequenceIds, wordIds, specialTokensMask } = encoding;
  let word = -1;
  return tokens.map((token, at) => {
    const isPiece =
      wordIds[at] !== null && wordIds[at] === wordIds[at - 1] && sequenceIds[at] === sequenceIds[at - 1];
    if (!isPiece) word++;
    const [start, end] = offsets[at] ?? [0, 0];
    const text = texts[sequenceIds[at] ?? 0]!.slice(start, end);
    return {
      token,
      text: text.trim() === "" ? token : text,
      isSpecial: specialTokensMask[at] === 1,
      word,
      isApart: sequenceIds[at] === null || start > (offsets[at - 1]?.[1] ?? -1),
    };
  });
}

/** A word of a text. */
export interface TextWord {
  readonly text: string;
  /** Its place in the text, [start, end), in JavaScript string indices. */
  readonly start: number;
  readonly end: number;
  /** Positions of its tokens. */
  readonly tokens: readonly number[];
}

/** The words of a single text in their order; special tokens are none. */
export function textWords({ texts, encoding, tokens }: TokenizedInput): TextWord[] {
  const positions: number[][] = [];
  for (const [at, { word, isSpecial }] of tokens.entries())
    if (!isSpecial) positions[word] = [...(positions[word] ?? []), at];
  return Object.values(positions).map((all) => {
    const [first, last] = [encoding.offsets[all[0]!]!, encoding.offsets[all.at(-1)!]!];
    const whole = texts[0]!.slice(first[0], last[1]);
    const text = whole.trim(); // byte-level tokens hold the space before a word
    const start = first[0] + whole.indexOf(text);
    return { text, start, end: start + text.length, tokens: all };
  });
}

/** The text of each word, its pieces joined. */
export function wordsOf(tokens: readonly ExplainedToken[]): string[] {
  const words: string[] = [];
  for (const { word, text } of tokens) words[word] = (words[word] ?? "") + text;
  return words;
}

/** The sum of a token value over the pieces of each word. */
export function wordSums(tokens: readonly ExplainedToken[], values: ArrayLike<number>): number[] {
  const sums: number[] = [];
  for (const [at, { word }] of tokens.entries()) sums[word] = (sums[word] ?? 0) + values[at]!;
  return sums;
}
