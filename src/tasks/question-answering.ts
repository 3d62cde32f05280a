/** The answer to a question as a span of a text of any length, or none. */

import { z } from "zod";
import type { QuestionExample } from "../data/examples.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Encoding } from "../text/encoding.ts";
import {
  type AnswerLanguage,
  answerMetrics,
  languageOf,
  type ScoredAnswer,
} from "../train/metrics/answers.ts";
import type { Batch } from "../train/step.ts";
import type { Evaluator } from "../train/task.ts";
import { contextSpan, documentWindows, keepBest, nullPosition } from "./answers.ts";
import { type DataRecipe, encodedDataset, plain } from "./dataset.ts";
import type { AnswerTask } from "./predictor.ts";
import { spanReaders } from "./span-readers.ts";

const trainingStride = 128; // tokens, as in the released BERT

/** Most tokens of an answer in evaluation: BERT's, and about as much text where every character is a token. */
const maxAnswerTokens: Record<AnswerLanguage, number> = { english: 30, chinese: 50 };

/** A window of an example's context. */
interface Window {
  readonly example: number;
  readonly encoding: Encoding;
}

export const questionData: DataRecipe<QuestionExample> = {
  name: "question-answering",
  defaultLength: 384,
  configOf: () => ({}),
  bestMetric: () => "f1",
  datasetOf(examples, _config, { tokenizer, maxLength }) {
    const limits = { maxLength, stride: trainingStride };
    const windows = examples.flatMap(({ question, context }, example): Window[] =>
      documentWindows(tokenizer, question, context, limits).map((encoding) => ({ example, encoding })),
    );
    const answers = windows.map(({ example, encoding }) => answerPositions(encoding, examples[example]!));
    const positions = (indices: readonly number[], side: 0 | 1): Tensor =>
      Tensor.from(
        "int64",
        [indices.length],
        indices.map((at) => answers[at]![side]),
      );
    return encodedDataset(
      windows.map(({ encoding }) => plain(encoding)),
      {
        padId: tokenizer.padId,
        truncated: 0, // windows cover the whole context
        labels: (indices) => ({
          start_positions: positions(indices, 0),
          end_positions: positions(indices, 1),
          ...answerability(indices.map((at) => ({ window: windows[at]!.encoding, start: answers[at]![0] }))),
        }),
        evaluator: () => new AnswerEvaluator(examples, windows),
      },
    );
  },
};

/** Where "no answer" stands, and whether it is the answer; for a model that scores that by itself. */
function answerability(items: readonly { window: Encoding; start: number }[]): Batch {
  const places = items.map(({ window }) => nullPosition(window));
  const isMissing = items.map(({ start }, at) => Number(start === places[at]));
  return {
    cls_index: Tensor.from("int64", [items.length], places),
    is_impossible: Tensor.from("float32", [items.length], isMissing),
  };
}

/** First and last token of the first answer; those of "no answer" where the window does not hold all of it. */
function answerPositions(window: Encoding, { answers }: QuestionExample): [number, number] {
  const { sequenceIds, offsets } = window;
  const none = nullPosition(window);
  const [answer] = answers;
  if (!answer) return [none, none];
  const from = answer.answerStart;
  const to = from + answer.text.length;
  let first = sequenceIds.indexOf(1);
  let last = sequenceIds.lastIndexOf(1);
  if (first < 0 || offsets[first]![0] > from || offsets[last]![1] < to) return [none, none];
  while (first < last && offsets[first + 1]![0] <= from) first++;
  while (last > first && offsets[last - 1]![1] >= to) last--;
  return [first, last];
}

interface CandidateAnswer {
  readonly text: string;
  readonly logit: number;
}

/**
 * Scores over examples, each answered by the best span of all its windows. As in BERT's evaluation, windows are compared
 * by logits, and "no answer" is as likely as in the window where it is least so.
 */
class AnswerEvaluator implements Evaluator {
  private readonly best = new Map<number, CandidateAnswer>();
  private readonly nullLogits = new Map<number, number>();
  private readonly language: AnswerLanguage;

  constructor(
    private readonly examples: readonly QuestionExample[],
    private readonly windows: readonly Window[],
  ) {
    this.language = languageOf(examples.map(({ context }) => context));
  }

  add(outputs: Readonly<Record<string, Tensor>>, indices: readonly number[]): void {
    const reader = spanReaders.find(({ names }) => names.every((name) => outputs[name]))!;
    const wanted = reader.names.map((name) => outputs[name]!);
    const limits = { count: 1, maxTokens: maxAnswerTokens[this.language] };
    for (const [row, at] of indices.entries()) {
      const { example, encoding } = this.windows[at]!;
      const { spans, none } = reader.read(encoding, wanted, row, limits);
      this.nullLogits.set(
        example,
        Math.min(none.logit, this.nullLogits.get(example) ?? Number.POSITIVE_INFINITY),
      );
      const [span] = spans;
      if (!span || span.logit <= (this.best.get(example)?.logit ?? Number.NEGATIVE_INFINITY)) continue;
      const text = this.examples[example]!.context.slice(...contextSpan(encoding, span));
      this.best.set(example, { text, logit: span.logit });
    }
  }

  result(): Record<string, number> {
    const answers = [...this.nullLogits].map(([example, nullLogit]): ScoredAnswer => {
      const { text, logit } = this.best.get(example) ?? { text: "", logit: Number.NEGATIVE_INFINITY };
      const truths = this.examples[example]!.answers.map((answer) => answer.text);
      return { text, truths, nullDifference: nullLogit - logit };
    });
    return answerMetrics(answers, this.language);
  }
}

export interface Answer {
  readonly answer: string; // "" where there is none
  readonly score: number;
  /** Span [start, end) of the context as it was given, in JavaScript string indices; [0, 0) for no answer. */
  readonly start: number;
  readonly end: number;
}

const input = z.strictObject({ question: z.string().min(1), context: z.string().min(1) });

const options = z.strictObject({
  /** Answers, best first. Default 1. */
  top_k: z.int().min(1).default(1),
  /** Most tokens of an answer. Default 15. */
  max_answer_len: z.int().min(1).default(15),
  /** Most tokens of a window with its question. Default 384, or what the model allows. */
  max_seq_len: z.int().min(16).default(384),
  /** Tokens that windows of a long context share. Default 128. */
  doc_stride: z.int().min(0).default(128),
  /** Whether "" may be the answer. Default false. */
  handle_impossible_answer: z.boolean().default(false),
  /** By how much, in logits, "" must beat the best answer; negative makes it come sooner. Default 0. */
  null_score_diff_threshold: z.number().default(0),
});

export const questionAnswers: AnswerTask<z.infer<typeof input>, z.infer<typeof options>, Answer[]> = {
  outputs: () => spanReaders.map(({ names }) => names),
  input,
  options,
  async answer(model, { question, context }, settings) {
    const maxLength = Math.min(settings.max_seq_len, model.maxLength);
    const limits = { maxLength, stride: settings.doc_stride };
    const windows = documentWindows(model.tokenizer, question, context, limits);
    const outputs = await Promise.all(windows.map((window) => model.run(window)));
    const found = new Map<string, Answer>(); // by span: windows overlap, and pieces widen to the same word
    let nullScore = 1;
    for (const [at, window] of windows.entries()) {
      const reader = spanReaders.find(({ names }) => names.length === outputs[at]!.length)!;
      const best = reader.read(window, outputs[at]!, 0, {
        count: settings.top_k * 2,
        maxTokens: settings.max_answer_len,
      });
      nullScore = Math.min(nullScore, best.none.score);
      for (const span of best.spans) {
        const [start, end] = contextSpan(window, span);
        const known = found.get(`${start} ${end}`);
        if (known && known.score >= span.score) continue;
        found.set(`${start} ${end}`, { answer: context.slice(start, end), score: span.score, start, end });
      }
    }
    const answers: Answer[] = [];
    for (const answer of found.values()) keepBest(answers, answer, settings.top_k);
    return settings.handle_impossible_answer ? withNone(answers, nullScore, settings) : answers;
  },
};

/** Answers with "" in its place; differences of logits are quotients of probabilities. */
function withNone(
  answers: readonly Answer[],
  score: number,
  { top_k, null_score_diff_threshold: threshold }: z.infer<typeof options>,
): Answer[] {
  const least = score * Math.exp(-threshold);
  const at = answers.filter((answer) => answer.score >= least).length;
  return answers.toSpliced(at, 0, { answer: "", score, start: 0, end: 0 }).slice(0, top_k);
}
