/** Metrics of answers to many questions, some of which may have none. */

import { chineseAnswerScores } from "./cmrc.ts";
import { answerScores } from "./squad.ts";

/** Whose rules answers are compared by: SQuAD's or CMRC 2018's. */
export type AnswerLanguage = "english" | "chinese";

/** Chinese where at least half of the letters are. */
export function languageOf(contexts: readonly string[]): AnswerLanguage {
  const text = contexts.slice(0, 100).join("");
  const count = (letters: RegExp): number => text.match(letters)?.length ?? 0;
  return 2 * count(/\p{Script=Han}/gu) >= count(/\p{L}/gu) && text !== "" ? "chinese" : "english";
}

/** The best answer to one question. */
export interface ScoredAnswer {
  readonly text: string;
  /** True answers; none where the question has no answer. */
  readonly truths: readonly string[];
  /** Score of "no answer" less that of the answer, in logits. */
  readonly nullDifference: number;
}

/**
 * `exact_match` and `f1`. Where some questions have no answer, "no answer" is given where it scores higher, and there
 * are also `f1_answerable`, `accuracy_unanswerable`, and `best_f1` with the `best_threshold` of the difference of scores
 * that gives it. Rajpurkar et al. 2018, https://arxiv.org/abs/1806.03822
 */
export function answerMetrics(
  answers: readonly ScoredAnswer[],
  language: AnswerLanguage,
): Record<string, number> {
  const scoresOf = language === "chinese" ? chineseAnswerScores : answerScores;
  const isAnswerable = answers.map(({ truths }) => scoresOf("", truths).f1 === 0);
  const hasUnanswerable = isAnswerable.includes(false);
  const scores = answers.map(({ text, truths, nullDifference }) =>
    scoresOf(hasUnanswerable && nullDifference > 0 ? "" : text, truths),
  );
  const metrics = {
    exact_match: mean(scores.map((score) => score.exactMatch)),
    f1: mean(scores.map(({ f1 }) => f1)),
  };
  if (!hasUnanswerable) return metrics;
  const answered = answers.map(({ text, truths, nullDifference }) => ({
    f1: scoresOf(text, truths).f1,
    unansweredF1: scoresOf("", truths).f1,
    nullDifference,
  }));
  return {
    ...metrics,
    f1_answerable: mean(scores.filter((_, at) => isAnswerable[at]).map(({ f1 }) => f1)),
    accuracy_unanswerable: mean(scores.filter((_, at) => !isAnswerable[at]).map(({ f1 }) => f1)),
    ...bestThreshold(answered),
  };
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

interface Choice {
  readonly f1: number;
  readonly unansweredF1: number;
  readonly nullDifference: number;
}

/** The threshold of the difference up to which answers are given, and the F1 it brings. */
function bestThreshold(choices: readonly Choice[]): { best_f1: number; best_threshold: number } {
  const order = [...choices].sort((a, b) => a.nullDifference - b.nullDifference);
  let sum = order.reduce((total, { unansweredF1 }) => total + unansweredF1, 0); // nothing is answered
  let best = { sum, threshold: (order[0]?.nullDifference ?? 0) - 1 };
  for (const [at, { f1, unansweredF1, nullDifference }] of order.entries()) {
    sum += f1 - unansweredF1;
    const isLastOfEqual = order[at + 1]?.nullDifference !== nullDifference;
    if (isLastOfEqual && sum > best.sum) best = { sum, threshold: nullDifference };
  }
  return { best_f1: best.sum / order.length, best_threshold: best.threshold };
}
