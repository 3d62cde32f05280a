import { describe, expect, test } from "vitest";
import { enumerateChain, randomChain, randomRows } from "../../test/support/enumerate-chain.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { bestPath, chainOf, marginals } from "./crf-decoding.ts";

describe("decoding a chain", () => {
  test("finds the best path and the marginals of enumeration in 1,008 random cases", () => {
    const random = new Random(5);
    for (let at = 0; at < 1008; at++) {
      const [length, numTags] = [1 + (at % 6), 1 + (Math.floor(at / 6) % 6)];
      const emissions = randomRows(random, length, numTags, 3);
      const chain = randomChain(random, numTags, 3);
      const truth = enumerateChain(emissions, chain);
      const { tags, score } = bestPath(emissions, chain);
      expect(tags).toEqual(truth.best.tags);
      expect(score).toBeCloseTo(truth.best.score, 10);
      const probabilities = marginals(emissions, chain).map((row) => [...row]);
      const error = probabilities.flat().map((value, i) => Math.abs(value - truth.marginals.flat()[i]!));
      expect(Math.max(...error)).toBeLessThan(1e-12);
    }
  });

  test("gives no tags to a text without positions", () => {
    const chain = randomChain(new Random(1), 3, 1);
    expect(bestPath([], chain)).toEqual({ tags: [], score: 0 });
    expect(marginals([], chain)).toEqual([]);
  });

  test("stays finite for scores whose powers overflow", () => {
    const chain = {
      transitions: [
        [900, -900],
        [0, 0],
      ],
      start: [0, 0],
      end: [0, 0],
    };
    const [first] = marginals(
      [
        [500, -500],
        [500, -500],
      ],
      chain,
    );
    expect([...first!]).toEqual([1, 0]);
  });

  test("reads transitions, start and end from the rows of one tensor", () => {
    const chain = chainOf(Tensor.from("float32", [1, 4, 2], [1, 2, 3, 4, 5, 6, 7, 8]));
    expect(chain.transitions.map((row) => Array.from(row))).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect([Array.from(chain.start), Array.from(chain.end)]).toEqual([
      [5, 6],
      [7, 8],
    ]);
  });
});
