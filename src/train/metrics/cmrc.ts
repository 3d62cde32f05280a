/**
 * CMRC 2018's scores of a Chinese answer: every Chinese character is a word, other writing is cut into words and marks.
 * Cui et al. 2019, https://arxiv.org/abs/1810.07366
 */

import type { AnswerScores } from "./squad.ts";

/** Marks that do not count: those that the official script removes. It also lists "……", which no single character is. */
const ignoredMarks = new Set("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』");

/** A Chinese character, a word or number of another writing, or one mark; points and commas within numbers stay. */
const unit = /[\u4e00-\u9fa5]|(?:(?![\u4e00-\u9fa5])[\p{L}\p{N}])+(?:[.,']\p{N}+)*|[^\s\p{L}\p{N}]/gu;

const plain = (answer: string): string =>
  [...answer.toLowerCase().trim()].filter((char) => !ignoredMarks.has(char)).join("");

const unitsOf = (answer: string): string[] => plain(answer).match(unit) ?? [];

/** An answer against all true ones. */
export function chineseAnswerScores(answer: string, truths: readonly string[]): AnswerScores {
  if (truths.length === 0) {
    const isNone = plain(answer) === "" ? 1 : 0;
    return { exactMatch: isNone, f1: isNone };
  }
  return {
    exactMatch: truths.some((truth) => plain(truth) === plain(answer)) ? 1 : 0,
    f1: Math.max(...truths.map((truth) => overlapF1(unitsOf(answer), unitsOf(truth)))),
  };
}

/** F1 of the longest run of units that both share. */
function overlapF1(given: readonly string[], truth: readonly string[]): number {
  const common = longestCommonRun(given, truth);
  return common === 0 ? 0 : (2 * common) / (given.length + truth.length);
}

function longestCommonRun(a: readonly string[], b: readonly string[]): number {
  let longest = 0;
  let runs: number[] = []; // ending before the present unit of a, by unit of b
  for (const left of a) {
    runs = b.map((right, at) => (left === right ? (runs[at - 1] ?? 0) + 1 : 0));
    longest = Math.max(longest, ...runs);
  }
  return longest;
}
