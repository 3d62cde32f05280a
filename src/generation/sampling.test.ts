import { describe, expect, test } from "vitest";
import { Random } from "../tensor/random.ts";
import { largest } from "./largest.ts";
import { parseModelDefaults } from "./options.ts";
import { drawToken } from "./sampling.ts";

const scores = Float32Array.from([0.1, 2, -1, 1, 0.5, Number.NEGATIVE_INFINITY]);

/** Shares of the tokens in many draws. */
function sharesOf(options: object, draws = 20_000): number[] {
  const settings = parseModelDefaults({ ...options }, "test");
  const random = new Random(5);
  const counts = new Array<number>(scores.length).fill(0);
  for (let i = 0; i < draws; i++) counts[drawToken(scores, settings, random)]!++;
  return counts.map((count) => count / draws);
}

function softmax(ids: readonly number[], temperature = 1): number[] {
  const weights = [...scores].map((score, id) => (ids.includes(id) ? Math.exp(score / temperature) : 0));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function expectShares(options: object, expected: readonly number[]): void {
  for (const [id, share] of sharesOf(options).entries()) {
    if (expected[id] === 0) expect(share).toBe(0);
    else expect(Math.abs(share - expected[id]!)).toBeLessThan(0.015);
  }
}

describe("drawing a token", () => {
  test("follows the probabilities", () => expectShares({}, softmax([0, 1, 2, 3, 4])));

  test("at a low temperature prefers likely tokens", () => {
    expectShares({ temperature: 0.5 }, softmax([0, 1, 2, 3, 4], 0.5));
  });

  test("keeps to the k likeliest", () => expectShares({ top_k: 2 }, softmax([1, 3])));

  test("keeps to the fewest tokens that make up a share", () => {
    const sorted = softmax([0, 1, 2, 3, 4]).sort((a, b) => b - a);
    const share = sorted[0]! + sorted[1]! + 0.01;
    expectShares({ top_p: share, top_k: 0 }, softmax([1, 3, 4]));
    expectShares({ top_p: 0.01 }, softmax([1]));
  });

  test("takes the share among the k likeliest", () => {
    expectShares({ top_k: 2, top_p: softmax([1, 3])[1]! + 0.01 }, softmax([1, 3]));
    expectShares({ top_k: 2, top_p: softmax([1, 3])[1]! - 0.01 }, softmax([1]));
  });

  test("is the same for the same random numbers", () => {
    const draw = (seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: 50 }, () => drawToken(scores, {}, random)).join("");
    };
    expect(draw(1)).toBe(draw(1));
    expect(draw(1)).not.toBe(draw(2));
  });
});

describe("the largest scores", () => {
  test("come in order, equal ones by their ids", () => {
    expect(largest([1, 5, 3, 5, 2], 3)).toEqual([1, 3, 2]);
    expect(largest([1, 2], 5)).toEqual([1, 0]);
  });

  test("are those of sorting all", () => {
    const random = new Random(3);
    const values = Array.from({ length: 500 }, () => Math.floor(random.uniform() * 100));
    const sorted = values.map((_, id) => id).sort((a, b) => values[b]! - values[a]! || a - b);
    expect(largest(values, 40)).toEqual(sorted.slice(0, 40));
  });
});
