import { describe, expect, test } from "vitest";
import { ignoredLabel } from "../nn/losses.ts";
import { Random } from "../tensor/random.ts";
import { maskTokens } from "./masking.ts";

const maskId = 3;
const vocabSize = 1000;
const ids = [101, ...Array.from({ length: 2000 }, (_, i) => 10 + (i % 900)), 102];
const specialMask = ids.map((_, i) => (i === 0 || i === ids.length - 1 ? 1 : 0));
const mask = (seed: number, extra = {}) =>
  maskTokens(ids, { random: new Random(seed), maskId, vocabSize, specialMask, ...extra });

describe("maskTokens", () => {
  test("predicts 15 % of the tokens: 80 % masked, 10 % random, 10 % kept", () => {
    const counts = { masked: 0, kept: 0, random: 0 };
    for (let seed = 0; seed < 10; seed++) {
      const { inputIds, labels } = mask(seed);
      const chosen = labels.flatMap((label, i) => (label === ignoredLabel ? [] : [i]));
      expect(chosen).toHaveLength(300);
      for (const i of chosen) {
        expect(labels[i]).toBe(ids[i]);
        if (inputIds[i] === maskId) counts.masked++;
        else if (inputIds[i] === ids[i]) counts.kept++;
        else counts.random++;
      }
    }
    expect(counts.masked / 3000).toBeCloseTo(0.8, 1);
    expect(counts.random / 3000).toBeCloseTo(0.1, 1);
    expect(counts.kept / 3000).toBeCloseTo(0.1, 1);
  });

  test("leaves special and unchosen tokens alone", () => {
    const { inputIds, labels } = mask(1);
    expect([labels[0], labels.at(-1)]).toEqual([ignoredLabel, ignoredLabel]);
    for (const [i, label] of labels.entries()) if (label === ignoredLabel) expect(inputIds[i]).toBe(ids[i]);
  });

  test("repeats for a seed and differs between seeds", () => {
    expect(mask(4)).toEqual(mask(4));
    expect(mask(4)).not.toEqual(mask(5));
  });

  test("chooses the pieces of a word together", () => {
    const wordIds = ids.map((_, i) => (specialMask[i] ? null : Math.floor((i - 1) / 3)));
    const { labels } = mask(2, { wordIds });
    const chosen = new Set(labels.flatMap((label, i) => (label === ignoredLabel ? [] : [wordIds[i]])));
    expect(chosen.size).toBe(100);
    for (const [i, wordId] of wordIds.entries()) {
      expect(labels[i] !== ignoredLabel).toBe(wordId !== null && chosen.has(wordId));
    }
  });

  test("predicts at least one token of a short text, and none where all are special", () => {
    const random = new Random(0);
    const short = maskTokens([1, 7, 2], { random, maskId, vocabSize, specialMask: [1, 0, 1] });
    expect(short.labels).toEqual([-100, 7, -100]);
    const empty = maskTokens([1, 2], { random, maskId, vocabSize, specialMask: [1, 1] });
    expect(empty.labels).toEqual([-100, -100]);
  });
});
