/** Questions and documents as windows, and the best answer spans of a window. */

import type { Encoding } from "../text/encoding.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { softmax } from "./scores.ts";

export interface DocumentWindowOptions {
  /** Most tokens of a window with its question. */
  readonly maxLength: number;
  /** Tokens that a window shares with the one before it. */
  readonly stride: number;
}

/** Questions are cut to this many tokens, as in the released BERT; in short windows to half of them. */
const maxQuestionTokens = 64;

/** Windows `[CLS] question [SEP] part of the context [SEP]` that cover the context. */
export function documentWindows(
  tokenizer: Tokenizer,
  question: string,
  context: string,
  { maxLength, stride }: DocumentWindowOptions,
): Encoding[] {
  const asked = tokenizer.encode(question, undefined, { addSpecialTokens: false });
  const most = Math.min(maxQuestionTokens, Math.floor(maxLength / 2));
  const isLong = asked.length > most;
  const shortQuestion = isLong ? question.slice(0, asked.offsets[most - 1]![1]) : question;
  const room = maxLength - Math.min(asked.length, most) - 3;
  return tokenizer.encodeWindows(shortQuestion, context, {
    maxLength,
    stride: Math.max(0, Math.min(stride, Math.floor(room / 2))),
    truncation: "only_second",
  });
}

/** An answer within a window: tokens from `start` to `end`, both included. */
export interface TokenSpan {
  readonly start: number;
  readonly end: number;
  /** Probability of the start times that of the end, among the context's tokens and "no answer". */
  readonly score: number;
}

export interface SpanLimits {
  readonly count: number;
  /** Most tokens of an answer. */
  readonly maxTokens: number;
}

/**
 * The best spans of the context in a window, best first, and the score of "no answer", which is at position 0.
 * logits [T], perhaps with padding behind the window's tokens.
 */
export function bestSpans(
  window: Encoding,
  startLogits: ArrayLike<number>,
  endLogits: ArrayLike<number>,
  { count, maxTokens }: SpanLimits,
): { spans: TokenSpan[]; nullScore: number } {
  const { sequenceIds } = window;
  const first = sequenceIds.indexOf(1);
  const last = sequenceIds.lastIndexOf(1);
  const [starts, ends] = [startLogits, endLogits].map((logits) =>
    softmax(
      Array.from(sequenceIds, (id, at) => (id === 1 || at === 0 ? logits[at]! : Number.NEGATIVE_INFINITY)),
    ),
  ) as [number[], number[]];
  const spans: TokenSpan[] = [];
  for (let start = first; first >= 0 && start <= last; start++) {
    for (let end = start; end <= Math.min(last, start + maxTokens - 1); end++) {
      keepBest(spans, { start, end, score: starts[start]! * ends[end]! }, count);
    }
  }
  return { spans, nullScore: starts[0]! * ends[0]! };
}

/** Inserts an item into a list of at most `count`, best first. */
export function keepBest<T extends { readonly score: number }>(best: T[], item: T, count: number): void {
  if (best.length >= count && !(item.score > best.at(-1)!.score)) return;
  let at = best.length;
  while (at > 0 && item.score > best[at - 1]!.score) at--;
  best.splice(at, 0, item);
  if (best.length > count) best.pop();
}

/** The span of the context, in string indices, that token positions stand for, widened to whole words. */
export function contextSpan(
  { offsets, wordIds, sequenceIds }: Encoding,
  { start, end }: TokenSpan,
): [number, number] {
  const isSameWord = (a: number, b: number): boolean => sequenceIds[b] === 1 && wordIds[a] === wordIds[b];
  let [from, to] = [start, end];
  while (isSameWord(from, from - 1)) from--;
  while (isSameWord(to, to + 1)) to++;
  return [offsets[from]![0], offsets[to]![1]];
}
