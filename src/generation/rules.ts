/** Rules that change the scores of the next token before one is chosen, in Hugging Face's order. V vocabulary. */

import type { GenerationSettings } from "./options.ts";

/** Where a sequence ends at the latest and where it began. */
export interface Span {
  /** Tokens of the prompt, or of the decoder's start. */
  readonly promptLength: number;
  /** Most tokens, the prompt included. */
  readonly maxLength: number;
}

/** Changes scores [V] of what follows `ids`, in place. */
export type Rule = (scores: Float32Array, ids: readonly number[]) => void;

const never = Number.NEGATIVE_INFINITY;

/** The rules that settings ask for; none where they have no effect. */
export function rulesOf(settings: GenerationSettings, span: Span): Rule[] {
  const rules: (Rule | undefined)[] = [
    repetition(settings.repetition_penalty ?? 1),
    noRepeat(settings.no_repeat_ngram_size ?? 0),
    badWords(settings.bad_words_ids ?? [], settings.eos_token_id ?? []),
    tooShort(settings, span),
    forcedAt(1, settings.forced_bos_token_id == null ? [] : [settings.forced_bos_token_id]),
    forcedAt(span.maxLength - 1, settings.forced_eos_token_id ?? []),
    suppress(settings.suppress_tokens ?? []),
    suppressFirst(settings, span),
    settings.renormalize_logits ? (scores) => normalise(scores) : undefined,
  ];
  return rules.filter((rule) => rule !== undefined);
}

/** Makes tokens that came before less likely. Keskar et al. 2019 (CTRL), https://arxiv.org/abs/1909.05858 */
function repetition(penalty: number): Rule | undefined {
  if (penalty === 1) return undefined;
  return (scores, ids) => {
    for (const id of new Set(ids)) scores[id]! *= scores[id]! < 0 ? penalty : 1 / penalty;
  };
}

/** Forbids what would repeat a sequence of `size` tokens. */
function noRepeat(size: number): Rule | undefined {
  if (size === 0) return undefined;
  return (scores, ids) => {
    const start = ids.length - size + 1;
    for (let at = 0; at + size <= ids.length; at++) {
      const isSame = (offset: number): boolean => ids[at + offset] === ids[start + offset];
      let offset = 0;
      while (offset < size - 1 && isSame(offset)) offset++;
      if (offset === size - 1) scores[ids[at + offset]!] = never;
    }
  };
}

/** Forbids the last token of a bad word whose others stand at the end. One that is the end token alone does not count. */
function badWords(words: readonly (readonly number[])[], eos: readonly number[]): Rule | undefined {
  const counted = words.filter((word) => word.length > 1 || !eos.includes(word[0]!));
  if (counted.length === 0) return undefined;
  return (scores, ids) => {
    for (const word of counted) {
      const start = ids.length - word.length + 1;
      const isBegun = start >= 0 && word.slice(0, -1).every((id, at) => ids[start + at] === id);
      if (isBegun) scores[word.at(-1)!] = never;
    }
  };
}

function tooShort(settings: GenerationSettings, { promptLength }: Span): Rule | undefined {
  const { min_length, min_new_tokens, eos_token_id } = settings;
  const least = Math.max(min_length ?? 0, min_new_tokens ? promptLength + min_new_tokens : 0);
  if (least === 0 || !eos_token_id) return undefined;
  return (scores, ids) => {
    if (ids.length < least) for (const id of eos_token_id) scores[id] = never;
  };
}

/** The only tokens that may follow a sequence of `length`. */
function forcedAt(length: number, tokens: readonly number[]): Rule | undefined {
  if (tokens.length === 0) return undefined;
  return (scores, ids) => {
    if (ids.length !== length) return;
    scores.fill(never);
    for (const id of tokens) scores[id] = 0;
  };
}

function suppress(tokens: readonly number[]): Rule | undefined {
  if (tokens.length === 0) return undefined;
  return (scores) => {
    for (const id of tokens) scores[id] = never;
  };
}

/** Forbids tokens behind the prompt, or behind a forced beginning of one token. */
function suppressFirst(settings: GenerationSettings, { promptLength }: Span): Rule | undefined {
  const rule = suppress(settings.begin_suppress_tokens ?? []);
  if (!rule) return undefined;
  const isForced = promptLength === 1 && settings.forced_bos_token_id != null;
  return (scores, ids) => {
    if (ids.length === promptLength + (isForced ? 1 : 0)) rule(scores, ids);
  };
}

/** Makes scores log-probabilities. */
function normalise(scores: Float32Array): void {
  let peak = never;
  for (const score of scores) peak = Math.max(peak, score);
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - peak);
  const shift = peak + Math.log(sum);
  for (let id = 0; id < scores.length; id++) scores[id]! -= shift;
}
