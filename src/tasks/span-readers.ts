/** How answer spans are read off a model's outputs. T tokens, S starts, E ends of each start. */

import type { Tensor } from "../tensor/tensor.ts";
import type { Encoding } from "../text/encoding.ts";
import { type AnswerScore, bestSpans, keepBest, type SpanLimits, type TokenSpan } from "./answers.ts";
import { rowAt, sigmoid } from "./scores.ts";

/** A window's best spans, best first, and "no answer". */
export interface WindowAnswers {
  readonly spans: readonly TokenSpan[];
  readonly none: AnswerScore;
}

export interface SpanReader {
  readonly names: readonly string[];
  /** Reads one row of the outputs of these names, or, for row 0, outputs without the batch axis. */
  read(window: Encoding, outputs: readonly Tensor[], row: number, limits: SpanLimits): WindowAnswers;
}

/** A score of every token to be the first, and to be the last, [T]. */
const tokenScores: SpanReader = {
  names: ["start_logits", "end_logits"],
  read: (window, [starts, ends], row, limits) =>
    bestSpans(window, rowAt(starts!, row), rowAt(ends!, row), limits),
};

/**
 * The best starts [S], and for each the best ends [E · S], the starts running fastest: XLNet's way. The values are
 * probabilities, whatever their names say.
 */
const endsGivenStarts: SpanReader = {
  names: ["start_top_log_probs", "start_top_index", "end_top_log_probs", "end_top_index", "cls_logits"],
  read(window, outputs, row, limits) {
    const [starts, startIndices, ends, endIndices] = outputs.slice(0, 4).map((output) => rowAt(output, row));
    const spans: TokenSpan[] = [];
    for (const [at, probability] of ends!.entries()) {
      const beam = at % starts!.length;
      const [start, end] = [startIndices![beam]!, endIndices![at]!];
      if (!isSpan(window, start, end, limits)) continue;
      keepBest(spans, { start, end, ...scored(starts![beam]! * probability) }, limits.count);
    }
    return { spans, none: scored(sigmoid(Number(outputs[4]!.data[row]))) };
  },
};

const isSpan = ({ sequenceIds }: Encoding, start: number, end: number, { maxTokens }: SpanLimits): boolean =>
  end >= start && end < start + maxTokens && sequenceIds[start] === 1 && sequenceIds[end] === 1;

const scored = (score: number): AnswerScore => ({ score, logit: Math.log(score) });

export const spanReaders: readonly SpanReader[] = [tokenScores, endsGivenStarts];
