/** What a BLIP makes of photos: captions, retrieval both ways, and answers to questions. */

import type { ImageTextPair } from "../src/data/image-text-pairs.ts";
import type { SessionOptions } from "../src/runtime/session.ts";
import { rerankingScores } from "../src/tasks/reranking.ts";
import { answerQuestions, writeCaptions } from "../src/tasks/write-captions.ts";
import { captionMetrics } from "../src/train/metrics/captions.ts";
import { vqaAccuracy } from "../src/train/metrics/vqa.ts";

/** Model folders; of one BLIP, all three can be made of the same weights. */
export interface PhotoModels {
  readonly captioner: string;
  readonly matcher: string;
  readonly answerer: string;
}

/**
 * `cider_d` (0 to 10), `bleu4` (0 to 100), recall of vectors alone (`itc_…`) and after a closer look (`itm_…`), and
 * `vqa_accuracy`, shares from 0 to 1.
 */
export async function photoScores(
  photos: readonly ImageTextPair[],
  { captioner, matcher, answerer }: PhotoModels,
  session: SessionOptions = {},
): Promise<Record<string, number>> {
  const captions = await writeCaptions(photos, captioner, { session });
  const references = photos.map((photo) => photo.captions);
  const questions = photos.flatMap(questionsAbout);
  const answers = await answerQuestions(questions, answerer, { session });
  const right = answers.map((answer, at) => vqaAccuracy(answer, questions[at]!.answers));
  return {
    photos: photos.length,
    ...captionMetrics(captions, references),
    ...(await rerankingScores(photos, matcher, session)),
    questions: questions.length,
    vqa_accuracy: right.reduce((sum, value) => sum + value, 0) / right.length,
  };
}

/** Things whose names in a caption are seldom anything else. */
const things = (
  "man woman dog cat horse bear elephant giraffe zebra sheep cow bird train bus truck motorcycle bicycle boat plane " +
  "kitchen table bed couch toilet pizza cake sandwich umbrella surfboard skateboard snow beach street field"
).split(" ");

export interface PhotoQuestion extends ImageTextPair {
  readonly question: string;
  readonly answers: readonly string[];
}

/** One thing that two or more captions name, and one that none does; every caption stands for a person who answers. */
export function questionsAbout(photo: ImageTextPair): PhotoQuestion[] {
  const words = photo.captions.map((caption) => caption.toLowerCase().split(/[^a-z]+/));
  const counts = things.map((thing) => words.filter((all) => all.some(isOne(thing))).length);
  const named = counts.findIndex((count) => count >= 2);
  if (named < 0) return [];
  const behind = things.map((_, step) => (named + step) % things.length);
  const absent = behind.find((at) => counts[at] === 0)!;
  const ask = (at: number, answer: string): PhotoQuestion => ({
    ...photo,
    question: `is there a ${things[at]} in the picture?`,
    answers: photo.captions.map(() => answer),
  });
  return [ask(named, "yes"), ask(absent, "no")];
}

const isOne =
  (thing: string) =>
  (word: string): boolean =>
    word === thing || word === `${thing}s`;
