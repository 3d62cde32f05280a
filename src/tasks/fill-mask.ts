/** The tokens that fit best where a text has the mask token. */

import { z } from "zod";
import { RequestError } from "../errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { AnswerTask } from "./predictor.ts";
import { rowAt, softmax, topIndices } from "./scores.ts";

export interface FilledMask {
  readonly score: number;
  readonly token: number;
  readonly token_str: string;
  /** The text with the token in the mask's place; other masks, where there are any, stay. */
  readonly sequence: string;
}

const input = z.union([z.string().transform((text) => ({ text })), z.strictObject({ text: z.string() })]);

const options = z.strictObject({
  /** Tokens for each mask, best first. Default 5. */
  top_k: z.int().min(1).default(5),
  /** Only these words are considered; each must be one token. Default: the whole vocabulary. */
  targets: z.union([z.string().transform((target) => [target]), z.array(z.string()).min(1)]).optional(),
});

/** A list for one mask, a list of lists for several. */
export const maskAnswers: AnswerTask<
  { text: string },
  z.infer<typeof options>,
  FilledMask[] | FilledMask[][]
> = {
  outputs: () => [["logits"], ["prediction_logits"]],
  input,
  options,
  async answer({ tokenizer, maxLength, run }, { text }, { top_k, targets }) {
    const encoding = tokenizer.encode(text, undefined, { maxLength });
    const masks = [...encoding.ids.keys()].filter((at) => encoding.ids[at] === tokenizer.maskId);
    if (masks.length === 0) {
      const token = tokenizer.maskId === undefined ? undefined : tokenizer.idToToken(tokenizer.maskId);
      throw new RequestError(
        `fill-mask: the text must hold ${token ?? "a mask token, which this model lacks"} within ${maxLength} tokens`,
      );
    }
    const candidates = targets?.map((target) => targetId(tokenizer, target));
    const [logits] = await run(encoding);
    const filled = masks.map((at) => {
      const scores = softmax(rowAt(logits!, at));
      return bestTokens(scores, top_k, candidates).map((token) => ({
        score: scores[token]!,
        token,
        token_str: tokenizer.decode([token]),
        sequence: tokenizer.decode(encoding.ids.with(at, token), { skipSpecialTokens: masks.length === 1 }),
      }));
    });
    return filled.length === 1 ? filled[0]! : filled;
  },
};

function bestTokens(
  scores: readonly number[],
  count: number,
  candidates: readonly number[] | undefined,
): number[] {
  if (!candidates) return topIndices(scores, count);
  const unique = [...new Set(candidates)].filter((id) => id < scores.length);
  return topIndices(
    unique.map((id) => scores[id]!),
    count,
  ).map((at) => unique[at]!);
}

/** @throws RequestError unless the word is one token of the vocabulary. */
export function targetId(tokenizer: Tokenizer, target: string): number {
  const { ids } = tokenizer.encode(target, undefined, { addSpecialTokens: false });
  const [id] = ids;
  if (ids.length === 1 && id !== undefined && id !== tokenizer.unkId) return id;
  throw new RequestError(`fill-mask: the target "${target}" must be one token of the vocabulary, but is not`);
}
