/** SQuAD's scores of an answer. Rajpurkar et al. 2016 and 2018, https://rajpurkar.github.io/SQuAD-explorer/ */

export interface AnswerScores {
  /** 1 when the answer is one of the true ones, else 0. */
  exactMatch: number;
  /** Overlap of words with the true answer it is nearest to, 0 to 1. */
  f1: number;
}

const punctuation = /[!-/:-@[-`{-~]/g; // Python's string.punctuation
const articles = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** Lower case, without punctuation and English articles, words apart by single spaces. */
export const normaliseAnswer = (answer: string): string =>
  answer.toLowerCase().replace(punctuation, "").replace(articles, " ").trim().replace(/\s+/g, " ");

/** An answer against all true ones; none of them stands for "no answer", which only "" meets. */
export function answerScores(answer: string, truths: readonly string[]): AnswerScores {
  const given = normaliseAnswer(answer);
  const wanted = truths.map(normaliseAnswer).filter((truth) => truth !== "");
  if (wanted.length === 0) wanted.push("");
  return {
    exactMatch: wanted.includes(given) ? 1 : 0,
    f1: Math.max(...wanted.map((truth) => wordF1(given, truth))),
  };
}

function wordF1(given: string, truth: string): number {
  if (given === "" || truth === "") return given === truth ? 1 : 0;
  const left = truth.split(" ");
  const words = given.split(" ");
  const total = words.length + left.length;
  let common = 0;
  for (const word of words) {
    const at = left.indexOf(word);
    if (at < 0) continue;
    left.splice(at, 1);
    common++;
  }
  return (2 * common) / total;
}
