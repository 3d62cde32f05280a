import { describe, expect, test } from "vitest";
import { groupEntities, labelTokens, labelWords, type ScoredToken } from "./entity-groups.ts";

const labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"];
const labelOf = (label: number): string => labels[label]!;

/** A token of 4 characters whose probability of one label is given; the rest is shared among the others. */
const token = (at: number, wordId: number, label: string, score: number): ScoredToken => ({
  id: 10 + at,
  index: at + 1,
  wordId,
  start: 5 * at,
  end: 5 * at + 4,
  scores: labels.map((name) => (name === label ? score : (1 - score) / (labels.length - 1))),
});

const summary = (tokens: readonly ScoredToken[], how: "simple" | "first" | "max" | "average") =>
  groupEntities(how === "simple" ? labelTokens(tokens) : labelWords(tokens, how), labelOf)
    .filter(({ type }) => type !== "O")
    .map(({ type, start, end }) => [type, start, end]);

describe("entity groups", () => {
  test("join I- to what goes before, and start anew at B- and at another type", () => {
    const tokens = [
      token(0, 0, "B-PER", 0.9),
      token(1, 1, "I-PER", 0.8),
      token(2, 2, "B-PER", 0.7),
      token(3, 3, "I-LOC", 0.9),
      token(4, 4, "O", 0.9),
      token(5, 5, "I-LOC", 0.9),
    ];
    expect(summary(tokens, "simple")).toEqual([
      ["PER", 0, 9],
      ["PER", 10, 14],
      ["LOC", 15, 19],
      ["LOC", 25, 29],
    ]);
  });

  test("score is the mean of the parts'", () => {
    const tokens = [token(0, 0, "B-PER", 0.9), token(1, 1, "I-PER", 0.5)];
    expect(groupEntities(labelTokens(tokens), labelOf)[0]!.score).toBeCloseTo(0.7, 12);
  });

  test("a word that a model splits between labels has one by first, max and average", () => {
    // One word of three pieces: LOC at first but unsure, then twice PER.
    const word = [token(0, 0, "B-LOC", 0.5), token(1, 0, "B-PER", 0.6), token(2, 0, "B-PER", 0.9)];
    expect(summary(word, "simple")).toEqual([
      ["LOC", 0, 4],
      ["PER", 5, 9],
      ["PER", 10, 14],
    ]);
    expect(summary(word, "first")).toEqual([["LOC", 0, 14]]);
    expect(summary(word, "max")).toEqual([["PER", 0, 14]]);
    expect(summary(word, "average")).toEqual([["PER", 0, 14]]);
  });

  test("average takes the mean of each label's probability", () => {
    const word = [token(0, 0, "B-LOC", 0.9), token(1, 0, "B-PER", 0.8)];
    const [labelled] = labelWords(word, "average");
    expect(labelOf(labelled!.label)).toBe("B-LOC");
    expect(labelled!.score).toBeCloseTo((0.9 + 0.05) / 2, 12);
  });
});
