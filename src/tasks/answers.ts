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

/** The position that stands for "no answer": [CLS], which is the first token, or where no special one is, the last. */
export const nullPosition = ({ specialTokensMask }: Encoding): number =>
  specialTokensMask[0] === 1 ? 0 : specialTokensMask.length - 1;

/** How good an answer is. */
export interface AnswerScore {
  /** Probability of the start times that of the end, among the context's tokens and "no answer". */
  readonly score: number;
  /** Sum of their logits, by which answers in different windows are compared. */
  readonly logit: number;
}

/** An answer within a window: tokens from `start` to `end`, both included. */
export interface TokenSpan extends AnswerScore {
  readonly start: number;
  readonly end: number;
}

export interface SpanLimits {
  readonly count: number;
  /** Most tokens of an answer. */
  readonly maxTokens: number;
}

/**
 * The best spans of the context in a window, best first, and "no answer".
 * logits [T], perhaps with padding behind the window's tokens.
 */
export function bestSpans(
  window: Encoding,
  startLogits: ArrayLike<number>,
  endLogits: ArrayLike<number>,
  { count, maxTokens }: SpanLimits,
): { spans: TokenSpan[]; none: AnswerScore } {
  const first = window.sequenceIds.indexOf(1);
  const last = window.sequenceIds.lastIndexOf(1);
  const starts = placeProbabilities(window, startLogits);
  const ends = placeProbabilities(window, endLogits);
  const scoreOf = (start: number, end: number): AnswerScore => ({
    score: starts[start]! * ends[end]!,
    logit: startLogits[start]! + endLogits[end]!,
  });
  const spans: TokenSpan[] = [];
  for (let start = first; first >= 0 && start <= last; start++) {
    for (let end = start; end <= Math.min(last, start + maxTokens - 1); end++) {
      keepBest(spans, { start, end, ...scoreOf(start, end) }, count);
    }
  }
  const none = nullPosition(window);
  return { spans, none: scoreOf(none, none) };
}

/** Softmax of a window's logits over the context's tokens and "no answer"; 0 elsewhere. */
export function placeProbabilities(window: Encoding, logits: ArrayLike<number>): number[] {
  const none = nullPosition(window);
  const isPlace = (id: number | null, at: number): boolean => id === 1 || at === none;
  return softmax(
    Array.from(window.sequenceIds, (id, at) => (isPlace(id, at) ? logits[at]! : Number.NEGATIVE_INFINITY)),
  );
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
  { start, end }: Pick<TokenSpan, "start" | "end">,
): [number, number] {
  const isSameWord = (a: number, b: number): boolean => sequenceIds[b] === 1 && wordIds[a] === wordIds[b];
  let [from, to] = [start, end];
  while (isSameWord(from, from - 1)) from--;
  while (isSameWord(to, to + 1)) to++;
  return [offsets[from]![0], offsets[to]![1]];
}
