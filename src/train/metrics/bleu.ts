/**
 * BLEU: how much of a translation's n-grams the references have. Papineni et al. 2002,
 * https://aclanthology.org/P02-1040; the numbers are those of sacreBLEU with exponential smoothing,
 * Post 2018, https://arxiv.org/abs/1804.08771, Chen & Cherry 2014, https://aclanthology.org/W14-3346.
 */

import { ConfigError } from "../../errors.ts";
import { type BleuTokenizer, bleuTokenizers } from "./bleu-tokenizers.ts";

/** Longest n-grams. */
const maxOrder = 4;

export interface BleuScore {
  /** 0 to 100. */
  readonly score: number;
  /** Share in percent of the n-grams that a reference has, for n from 1 to 4; smoothed where there is none. */
  readonly precisions: readonly number[];
  /** 1 where the translations are as long as the references, smaller where they are shorter. */
  readonly brevityPenalty: number;
  readonly hypothesisLength: number;
  readonly referenceLength: number;
}

/** N-grams of a corpus: how many there are, and how many of them a reference has, by order. */
interface Counts {
  readonly total: number[];
  readonly correct: number[];
  hypothesisLength: number;
  referenceLength: number;
}

/**
 * BLEU of a corpus. `references` has the references of each hypothesis, one or several.
 * @throws ConfigError unless there is an equal number of both, and a reference for each.
 */
export function corpusBleu(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  tokenizer: BleuTokenizer = "13a",
): BleuScore {
  if (hypotheses.length !== references.length || references.some((texts) => texts.length === 0)) {
    throw new ConfigError(
      `BLEU: each hypothesis must have a reference, got ${hypotheses.length} and ${references.length}`,
    );
  }
  const wordsOf = (text: string): string[] => bleuTokenizers[tokenizer](text.trimEnd());
  const zeros = (): number[] => new Array<number>(maxOrder).fill(0);
  const counts: Counts = { total: zeros(), correct: zeros(), hypothesisLength: 0, referenceLength: 0 };
  for (const [at, hypothesis] of hypotheses.entries()) {
    addSegment(counts, wordsOf(hypothesis), references[at]!.map(wordsOf));
  }
  return scoreOf(counts);
}

function addSegment(counts: Counts, hypothesis: readonly string[], references: readonly string[][]): void {
  const found = ngramCounts(hypothesis);
  const allowed = references.map(ngramCounts);
  for (const [ngram, { order, count }] of found) {
    const most = Math.max(...allowed.map((table) => table.get(ngram)?.count ?? 0));
    counts.correct[order - 1]! += Math.min(count, most);
    counts.total[order - 1]! += count;
  }
  counts.hypothesisLength += hypothesis.length;
  counts.referenceLength += closestLength(hypothesis.length, references);
}

type NgramCounts = Map<string, { readonly order: number; count: number }>;

function ngramCounts(words: readonly string[]): NgramCounts {
  const counts: NgramCounts = new Map();
  for (let order = 1; order <= maxOrder; order++) {
    for (let start = 0; start + order <= words.length; start++) {
      const ngram = words.slice(start, start + order).join(" ");
      const known = counts.get(ngram);
      if (known) known.count++;
      else counts.set(ngram, { order, count: 1 });
    }
  }
  return counts;
}

/** The reference length nearest to the hypothesis', the shorter one of two. */
function closestLength(length: number, references: readonly string[][]): number {
  const byDistance = references
    .map((words) => words.length)
    .sort((a, b) => Math.abs(a - length) - Math.abs(b - length) || a - b);
  return byDistance[0]!;
}

/** exp of the mean log precision times the brevity penalty; a corpus without any common word, or any 4-gram, has 0. */
function scoreOf({ total, correct, hypothesisLength, referenceLength }: Counts): BleuScore {
  const isShort = hypothesisLength < referenceLength;
  const brevityPenalty =
    hypothesisLength === 0 ? 0 : isShort ? Math.exp(1 - referenceLength / hypothesisLength) : 1;
  const precisions = smoothedPrecisions(total, correct);
  const logs = precisions.map((precision) => Math.log(precision));
  const score = brevityPenalty * Math.exp(logs.reduce((sum, log) => sum + log, 0) / maxOrder);
  return { score, precisions, brevityPenalty, hypothesisLength, referenceLength };
}

/** The k-th order without a match counts as 1/2ᵏ matches; all are 0 where no word matches. */
function smoothedPrecisions(total: readonly number[], correct: readonly number[]): number[] {
  let share = 1;
  const hasMatch = correct.some((count) => count > 0);
  return total.map((count, at) => {
    if (!hasMatch || count === 0) return 0;
    if (correct[at]! > 0) return (100 * correct[at]!) / count;
    share /= 2;
    return (100 * share) / count;
  });
}
