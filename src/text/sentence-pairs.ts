/**
 * Pairs for next sentence prediction.
 * Devlin et al. 2018, https://arxiv.org/abs/1810.04805, and the data preparation of the released BERT.
 */

import { ConfigError } from "../errors.ts";
import type { Random } from "../tensor/random.ts";

export interface SentencePairOptions {
  random: Random;
  /** Tokens of a sentence, without special ones. */
  lengthOf: (sentence: string) => number;
  /** Most tokens of a pair, with its three special ones. The last sentence may exceed it; encoding truncates. */
  maxLength: number;
  /** Share of pairs that are made shorter than `maxLength` on purpose, 0 to 1; default 0.1. */
  shortRate?: number;
}

/** Label 0: the second part follows the first. Label 1: it comes from another document. */
export interface SentencePair {
  first: string;
  second: string;
  label: 0 | 1;
}

/**
 * Runs of sentences that fill `maxLength`, each cut in two; in half of them the second part is replaced by sentences
 * of another document, and the sentences it displaced are used again.
 * @throws ConfigError for fewer than two documents with sentences.
 */
export function sentencePairs(
  documents: readonly (readonly string[])[],
  options: SentencePairOptions,
): SentencePair[] {
  const filled = documents.filter((sentences) => sentences.length > 0);
  if (filled.length < 2) {
    throw new ConfigError(
      `sentencePairs: needs at least two documents, got ${filled.length}; separate documents by blank lines`,
    );
  }
  return filled.flatMap((_, index) => pairsOf(filled, index, options));
}

function pairsOf(documents: readonly (readonly string[])[], index: number, options: SentencePairOptions) {
  const { random, lengthOf } = options;
  const sentences = documents[index]!;
  const pairs: SentencePair[] = [];
  let start = 0;
  while (start < sentences.length) {
    const target = targetLength(options);
    const run = takeUntil(sentences, start, target, lengthOf);
    const cut = run.length < 2 ? 1 : 1 + random.integer(run.length - 1);
    const first = run.slice(0, cut);
    const isRandom = run.length < 2 || random.uniform() < 0.5;
    const room = target - totalLength(first, lengthOf);
    const second = isRandom ? fromOther(documents, index, room, options) : run.slice(cut);
    pairs.push({ first: first.join(" "), second: second.join(" "), label: isRandom ? 1 : 0 });
    start += isRandom ? cut : run.length;
  }
  return pairs;
}

const specialTokens = 3; // [CLS] first [SEP] second [SEP]

function targetLength({ random, maxLength, shortRate = 0.1 }: SentencePairOptions): number {
  const most = Math.max(2, maxLength - specialTokens);
  return random.uniform() < shortRate ? 2 + random.integer(most - 1) : most;
}

/** Sentences from `start` on until together they have `length` tokens; at least one. */
function takeUntil(
  sentences: readonly string[],
  start: number,
  length: number,
  lengthOf: (sentence: string) => number,
): readonly string[] {
  let end = start;
  let total = 0;
  do total += lengthOf(sentences[end++]!);
  while (end < sentences.length && total < length);
  return sentences.slice(start, end);
}

const totalLength = (sentences: readonly string[], lengthOf: (sentence: string) => number): number =>
  sentences.reduce((total, sentence) => total + lengthOf(sentence), 0);

function fromOther(
  documents: readonly (readonly string[])[],
  index: number,
  room: number,
  { random, lengthOf }: SentencePairOptions,
): readonly string[] {
  const drawn = random.integer(documents.length - 1);
  const other = documents[drawn < index ? drawn : drawn + 1]!;
  return takeUntil(other, random.integer(other.length), room, lengthOf);
}
