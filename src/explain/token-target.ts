/** Targets that are tokens: the answer to a question, what fills a mask, what comes next. */

import { RequestError } from "../errors.ts";
import { bestSpans, contextSpan, placeProbabilities } from "../tasks/answers.ts";
import { targetId } from "../tasks/fill-mask.ts";
import { argmax, rowAt, softmax } from "../tasks/scores.ts";
import type { Target, TargetContext } from "./target.ts";
import type { TokenizedInput } from "./tokens.ts";

/** Most tokens of a predicted answer, as in evaluation. */
const maxAnswerTokens = 30;

/** The logits of the answer's first and last token together; a model that searches for spans itself gives none. */
export function answerTarget({ outputs, input, target }: TargetContext): Target | undefined {
  const { start_logits, end_logits } = outputs;
  if (!start_logits || !end_logits) return undefined;
  const { encoding, texts } = input;
  const [, context] = texts;
  if (context === undefined)
    throw new RequestError("explain: a question needs the context that holds its answer");
  const [starts, ends] = [rowAt(start_logits, 0), rowAt(end_logits, 0)];
  const [best] = bestSpans(encoding, starts, ends, { count: 1, maxTokens: maxAnswerTokens }).spans;
  const { start, end } = target === undefined ? best! : spanOf(target, input);
  return {
    label: context.slice(...contextSpan(encoding, { start, end })),
    probability: placeProbabilities(encoding, starts)[start]! * placeProbabilities(encoding, ends)[end]!,
    positions: [start, end],
    points: { start_logits: [start], end_logits: [end] },
  };
}

/** The tokens of an answer's first occurrence. @throws RequestError when what is read of the context lacks it. */
function spanOf(answer: string, { encoding, texts }: TokenizedInput): { start: number; end: number } {
  const { offsets, sequenceIds } = encoding;
  const from = texts[1]!.indexOf(answer);
  const to = from + answer.length;
  const inside = [...offsets.keys()].filter(
    (at) => sequenceIds[at] === 1 && offsets[at]![1] > from && offsets[at]![0] < to,
  );
  if (from >= 0 && inside.length > 0) return { start: inside[0]!, end: inside.at(-1)! };
  throw new RequestError(
    `explain: the target must be a part of the context that is read; "${answer}" is not`,
  );
}

/** The token that fills a mask. */
export function maskTarget(context: TargetContext): Target {
  const { tokenizer, input, at } = context;
  const position = at ?? input.encoding.ids.indexOf(tokenizer.maskId ?? -1);
  if (position >= 0) return vocabularyTarget(context, position);
  const mask = tokenizer.maskId === undefined ? "a mask token" : tokenizer.idToToken(tokenizer.maskId);
  throw new RequestError(`explain: the text must hold ${mask}, or "at" name a position`);
}

/** The token that follows a position. */
export const nextTokenTarget = (context: TargetContext): Target =>
  vocabularyTarget(context, context.at ?? context.input.tokens.length - 1);

/** A token of the given output of an encoder–decoder. */
export function outputTarget(context: TargetContext): Target {
  const position = context.at ?? 0;
  return { ...vocabularyTarget(context, position, context.output?.ids[position]), positions: [] };
}

/** A token of the vocabulary, by default `usual` or the likeliest, scored at a position of the logits [B, T, V]. */
function vocabularyTarget(
  { outputs, tokenizer, target }: TargetContext,
  position: number,
  usual?: number,
): Target {
  const name = outputs.logits ? "logits" : "prediction_logits";
  const scores = softmax(rowAt(outputs[name]!, position));
  const id = target === undefined ? (usual ?? argmax(scores)) : targetId(tokenizer, target);
  return {
    label: tokenizer.decode([id]),
    probability: scores[id]!,
    positions: [position],
    points: { [name]: [position, id] },
  };
}
