import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { learnMerges } from "./learn-merges.ts";

const join = (left: string, right: string) => left + right;
const options = { vocabSize: 100, minFrequency: 1, join };

/** The same by counting all pairs anew before each merge. */
function learnSlowly(alphabet: string[], given: { symbols: string[]; count: number }[], steps: number) {
  const tokens = [...alphabet];
  const words = given.map(({ symbols, count }) => ({ symbols: [...symbols], count }));
  const merges: [string, string][] = [];
  while (tokens.length < steps) {
    const counts = new Map<string, number>();
    for (const { symbols, count } of words) {
      for (let i = 1; i < symbols.length; i++) {
        const key = JSON.stringify([tokens.indexOf(symbols[i - 1]!), tokens.indexOf(symbols[i]!)]);
        counts.set(key, (counts.get(key) ?? 0) + count);
      }
    }
    const best = [...counts]
      .map(([key, count]) => ({ pair: JSON.parse(key) as [number, number], count }))
      .sort((a, b) => b.count - a.count || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1])[0];
    if (!best) break;
    const [left, right] = [tokens[best.pair[0]]!, tokens[best.pair[1]]!];
    merges.push([left, right]);
    if (!tokens.includes(left + right)) tokens.push(left + right);
    for (const word of words) {
      for (let i = 0; i + 1 < word.symbols.length; i++) {
        if (word.symbols[i] === left && word.symbols[i + 1] === right) {
          word.symbols.splice(i, 2, left + right);
        }
      }
    }
  }
  return { tokens, merges };
}

describe("learnMerges", () => {
  test("joins as counting anew before each merge does", () => {
    const alphabet = ["a", "b", "c"];
    const word = fc.record({
      symbols: fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 14 }),
      count: fc.integer({ min: 1, max: 5 }),
    });
    const property = fc.property(fc.array(word, { maxLength: 8 }), (words) => {
      const inIds = words.map(({ symbols, count }) => ({
        symbols: symbols.map((symbol) => alphabet.indexOf(symbol)),
        count,
      }));
      expect(learnMerges(alphabet, inIds, options)).toEqual(learnSlowly(alphabet, words, 100));
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("stops at the vocabulary's size and at the least frequency", () => {
    const words = [{ symbols: [0, 1, 2], count: 3 }];
    expect(learnMerges(["a", "b", "c"], words, { ...options, vocabSize: 4 }).tokens).toHaveLength(4);
    expect(learnMerges(["a", "b", "c"], words, { ...options, minFrequency: 4 }).merges).toEqual([]);
  });

  test("keeps its tables through many thousand pairs", () => {
    const alphabet = Array.from({ length: 400 }, (_, i) => String.fromCodePoint(0x4e00 + i));
    const words = alphabet.flatMap((_, left) =>
      alphabet.map((_, right) => ({ symbols: [left, right], count: 1 + ((left * 7 + right) % 11) })),
    );
    const { merges } = learnMerges(alphabet, words, { ...options, vocabSize: 200_000 });
    expect(merges).toHaveLength(160_000);
    expect(new Set(merges.map(([left, right]) => left + right)).size).toBe(160_000);
  });
});
