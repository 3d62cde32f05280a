/** The answer to a question as a span of a text of any length, or none. */

import { z } from "zod";
import type { QuestionExample } from "../data/examples.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Encoding } from "../text/encoding.ts";
import { answerScores } from "../train/metrics/squad.ts";
import type { Evaluator } from "../train/task.ts";
import { bestSpans, contextSpan, documentWindows, keepBest, type SpanLimits } from "./answers.ts";
import { type DataRecipe, encodedDataset, plain } from "./dataset.ts";
import type { AnswerTask } from "./predictor.ts";
import { rowAt } from "./scores.ts";

const trainingStride = 128; // tokens, as in the released BERT
const evaluationLimits: SpanLimits = { count: 1, maxTokens: 30 };

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
        }),
        evaluator: () => new AnswerEvaluator(examples, windows),
      },
    );
  },
};

/** First and last token of the first answer; (0, 0), which is [CLS], where the window does not hold all of it. */
function answerPositions({ sequenceIds, offsets }: Encoding, { answers }: QuestionExample): [number, number] {
  const [answer] = answers;
  if (!answer) return [0, 0];
  const from = answer.answerStart;
  const to = from + answer.text.length;
  let first = sequenceIds.indexOf(1);
  let last = sequenceIds.lastIndexOf(1);
  if (first < 0 || offsets[first]![0] > from || offsets[last]![1] < to) return [0, 0];
  while (first < last && offsets[first + 1]![0] <= from) first++;
  while (last > first && offsets[last - 1]![1] >= to) last--;
  return [first, last];
}

interface CandidateAnswer {
  readonly text: string;
  readonly score: number;
}

/** Exact match and F1 over examples, each answered by the best span of all its windows. */
class AnswerEvaluator implements Evaluator {
  private readonly best = new Map<number, CandidateAnswer>();
  private readonly nullScores = new Map<number, number>();
  /** Without such questions in the data, every question gets an answer. */
  private readonly hasUnanswerable: boolean;

  constructor(
    private readonly examples: readonly QuestionExample[],
    private readonly windows: readonly Window[],
  ) {
    this.hasUnanswerable = examples.some(({ answers }) => answers.length === 0);
  }

  add({ start_logits, end_logits }: Readonly<Record<string, Tensor>>, indices: readonly number[]): void {
    for (const [row, at] of indices.entries()) {
      const { example, encoding } = this.windows[at]!;
      const { spans, nullScore } = bestSpans(
        encoding,
        rowAt(start_logits!, row),
        rowAt(end_logits!, row),
        evaluationLimits,
      );
      this.nullScores.set(example, Math.min(nullScore, this.nullScores.get(example) ?? 1));
      const [span] = spans;
      if (!span || span.score <= (this.best.get(example)?.score ?? -1)) continue;
      const text = this.examples[example]!.context.slice(...contextSpan(encoding, span));
      this.best.set(example, { text, score: span.score });
    }
  }

  result(): Record<string, number> {
    const scores = [...this.nullScores].map(([example, nullScore]) => {
      const best = this.best.get(example);
      const isAnswered = best && !(this.hasUnanswerable && nullScore > best.score);
      const truths = this.examples[example]!.answers.map(({ text }) => text);
      return answerScores(isAnswered ? best.text : "", truths);
    });
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    return {
      exact_match: mean(scores.map(({ exactMatch }) => exactMatch)),
      f1: mean(scores.map(({ f1 }) => f1)),
    };
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
});

export const questionAnswers: AnswerTask<z.infer<typeof input>, z.infer<typeof options>, Answer[]> = {
  outputs: () => [["start_logits", "end_logits"]],
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
      const [starts, ends] = outputs[at]!.map((logits) => rowAt(logits, 0));
      const best = bestSpans(window, starts!, ends!, {
        count: settings.top_k * 2,
        maxTokens: settings.max_answer_len,
      });
      nullScore = Math.min(nullScore, best.nullScore);
      for (const span of best.spans) {
        const [start, end] = contextSpan(window, span);
        const known = found.get(`${start} ${end}`);
        if (known && known.score >= span.score) continue;
        found.set(`${start} ${end}`, { answer: context.slice(start, end), score: span.score, start, end });
      }
    }
    if (settings.handle_impossible_answer) {
      found.set("none", { answer: "", score: nullScore, start: 0, end: 0 });
    }
    const answers: Answer[] = [];
    for (const answer of found.values()) keepBest(answers, answer, settings.top_k);
    return answers;
  },
};
