import { describe, expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import { Random } from "../tensor/random.ts";
import { sentencePairs } from "./sentence-pairs.ts";

/** Sentences of four words that tell their document and place. */
const documents = Array.from({ length: 20 }, (_, d) =>
  Array.from({ length: 30 }, (_, s) => `d${d} s${s} of text`),
);
const lengthOf = (sentence: string) => sentence.split(" ").length;
const pairs = sentencePairs(documents, { random: new Random(3), lengthOf, maxLength: 35 });

const documentOf = (text: string) => /^d(\d+)/.exec(text)![1];
const places = (text: string) => [...text.matchAll(/ s(\d+)/g)].map((match) => Number(match[1]));

describe("sentencePairs", () => {
  test("label 0 continues the first part, label 1 comes from another document", () => {
    for (const { first, second, label } of pairs) {
      expect(documentOf(first) === documentOf(second)).toBe(label === 0);
      if (label === 0) expect(places(second)[0]).toBe(places(first).at(-1)! + 1);
    }
  });

  test("about half of the pairs are random", () => {
    const randomShare = pairs.filter(({ label }) => label === 1).length / pairs.length;
    expect(randomShare).toBeGreaterThan(0.4);
    expect(randomShare).toBeLessThan(0.65);
  });

  test("fills the length and uses every sentence", () => {
    const lengths = pairs.map(({ first, second }) => lengthOf(first) + lengthOf(second));
    expect(Math.max(...lengths)).toBeLessThanOrEqual(32 + 4);
    expect(lengths.reduce((a, b) => a + b) / pairs.length).toBeGreaterThan(24);
    const used = new Set(pairs.flatMap(({ first, second }) => [first, second].flatMap(sentencesOf)));
    expect(used.size).toBe(600);
  });

  test("repeats for a seed", () => {
    expect(sentencePairs(documents, { random: new Random(3), lengthOf, maxLength: 35 })).toEqual(pairs);
  });

  test("refuses a single document, from which nothing random can be drawn", () => {
    const options = { random: new Random(0), lengthOf, maxLength: 35 };
    expect(() => sentencePairs([["a", "b"], []], options)).toThrow(ConfigError);
  });
});

const sentencesOf = (text: string): string[] => text.split(/(?= d\d)/).map((part) => part.trim());
