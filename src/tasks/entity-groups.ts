/**
 * From labelled tokens to entities of the text, as `aggregation_strategy` of Python's transformers: `none` gives
 * tokens; `simple` joins neighbours of one type; `first`, `max` and `average` first give each word one label.
 */

import { bestPath, type Chain, marginals } from "../models/crf-decoding.ts";
import { topIndices } from "./scores.ts";

export const strategies = ["none", "simple", "first", "max", "average"] as const;
export type AggregationStrategy = (typeof strategies)[number];

/** One token of a text with the probability of every label, or its logit where a CRF decides. */
export interface ScoredToken {
  readonly id: number;
  /** Position in the model's input, [CLS] at 0; in long texts counted on through the windows. */
  readonly index: number;
  readonly wordId: number;
  readonly start: number; // in the caller's string
  readonly end: number;
  readonly scores: readonly number[];
}

/** Tokens under one label. */
export interface LabelledTokens {
  readonly ids: readonly number[];
  readonly index: number; // of the first token
  readonly start: number;
  readonly end: number;
  readonly label: number;
  readonly score: number;
}

/** One entry for each token. */
export const labelTokens = (tokens: readonly ScoredToken[]): LabelledTokens[] =>
  tokens.map((token) => labelled([token], token.scores));

/** One entry for each word, labelled by its first token, its surest token, or the mean over its tokens. */
export function labelWords(
  tokens: readonly ScoredToken[],
  strategy: Exclude<AggregationStrategy, "none" | "simple">,
): LabelledTokens[] {
  return wordsOf(tokens).map((word) => labelled(word, wordScores(word, strategy)));
}

/** One entry for each word: the best path of a CRF through the words' first tokens, and its tags' probabilities. */
export function labelChain(tokens: readonly ScoredToken[], chain: Chain): LabelledTokens[] {
  const words = wordsOf(tokens);
  const emissions = words.map(([first]) => first!.scores);
  const { tags } = bestPath(emissions, chain);
  const probabilities = marginals(emissions, chain);
  return words.map((word, at) => {
    const label = tags[at]!;
    return { ...spanOf(word), label, score: probabilities[at]![label]! };
  });
}

function labelled(tokens: readonly ScoredToken[], scores: readonly number[]): LabelledTokens {
  const score = Math.max(...scores);
  return { ...spanOf(tokens), label: scores.indexOf(score), score };
}

function spanOf(tokens: readonly ScoredToken[]): Omit<LabelledTokens, "label" | "score"> {
  const { index, start } = tokens[0]!;
  return { ids: tokens.map(({ id }) => id), index, start, end: tokens.at(-1)!.end };
}

function wordsOf(tokens: readonly ScoredToken[]): ScoredToken[][] {
  const words: ScoredToken[][] = [];
  for (const token of tokens) {
    const open = words.at(-1);
    if (open?.at(-1)?.wordId === token.wordId) open.push(token);
    else words.push([token]);
  }
  return words;
}

function wordScores(word: readonly ScoredToken[], strategy: "first" | "max" | "average"): readonly number[] {
  const [first] = word;
  if (strategy === "first") return first!.scores;
  if (strategy === "average") {
    return first!.scores.map((_, at) => word.reduce((sum, { scores }) => sum + scores[at]!, 0) / word.length);
  }
  const surest = topIndices(
    word.map(({ scores }) => Math.max(...scores)),
    1,
  );
  return word[surest[0]!]!.scores;
}

/** An entity: neighbours of one type. */
export interface EntityGroup {
  readonly type: string;
  readonly ids: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly score: number; // mean of the parts'
}

/** Joins neighbours of one type, until a label starts with `B-`. */
export function groupEntities(
  parts: readonly LabelledTokens[],
  labelOf: (label: number) => string,
): EntityGroup[] {
  const groups: { type: string; parts: LabelledTokens[] }[] = [];
  for (const part of parts) {
    const { isBegin, type } = splitLabel(labelOf(part.label));
    const open = groups.at(-1);
    if (open && open.type === type && !isBegin) open.parts.push(part);
    else groups.push({ type, parts: [part] });
  }
  return groups.map(({ type, parts: members }) => ({
    type,
    ids: members.flatMap(({ ids }) => ids),
    start: members[0]!.start,
    end: members.at(-1)!.end,
    score: members.reduce((sum, { score }) => sum + score, 0) / members.length,
  }));
}

const splitLabel = (label: string): { isBegin: boolean; type: string } =>
  /^[BI]-/.test(label)
    ? { isBegin: label[0] === "B", type: label.slice(2) }
    : { isBegin: false, type: label };
