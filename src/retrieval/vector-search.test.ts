import { describe, expect, test } from "vitest";
import { Random } from "../tensor/random.ts";
import { VectorSearch } from "./vector-search.ts";

/** Vectors of length 1 whose first feature is ten times the others, as a CLIP's are. */
function vectorsOf(count: number, width: number, seed: number): Float32Array {
  const random = new Random(seed);
  const vectors = Float32Array.from({ length: count * width }, (_, at) =>
    at % width === 0 ? 10 + random.normal() : random.normal(),
  );
  for (let start = 0; start < vectors.length; start += width) {
    const row = vectors.subarray(start, start + width);
    const length = Math.hypot(...row);
    for (let at = 0; at < width; at++) row[at]! /= length;
  }
  return vectors;
}

function bestOf(vectors: Float32Array, query: Float32Array, count: number): number[] {
  const rows = Array.from({ length: vectors.length / query.length }, (_, at) => ({
    at,
    score: query.reduce((sum, value, i) => sum + value * vectors[at * query.length + i]!, 0),
  }));
  return rows
    .sort((a, b) => b.score - a.score)
    .slice(0, count)
    .map(({ at }) => at);
}

describe("VectorSearch", () => {
  const width = 64;
  const vectors = vectorsOf(2000, width, 1);
  const queries = vectorsOf(20, width, 2);
  const each = Array.from({ length: 20 }, (_, at) => queries.slice(at * width, (at + 1) * width));

  test("finds exactly the nearest of few vectors, nearest first, with their cosines", () => {
    const search = new VectorSearch(vectors, width);
    for (const query of each)
      expect(search.search(query, 10).map(({ at }) => at)).toEqual(bestOf(vectors, query, 10));
    const itself = vectors.slice(7 * width, 8 * width);
    expect(search.search(itself, 1)[0]).toEqual({ at: 7, score: expect.closeTo(1, 5) });
  });

  test("finds 95 % of the ten nearest of many vectors, with exact cosines", () => {
    const [exact, compact] = [new VectorSearch(vectors, width), new VectorSearch(vectors, width, 100)];
    let common = 0;
    for (const query of each) {
      const wanted = new Map(exact.search(query, 10).map(({ at, score }) => [at, score]));
      for (const { at, score } of compact.search(query, 10)) {
        if (wanted.has(at)) common++;
        expect(score).toBe(wanted.get(at) ?? score);
      }
    }
    expect(common / 200).toBeGreaterThanOrEqual(0.95);
  });

  test("gives all there are when fewer are there than wanted", () => {
    expect(new VectorSearch(vectors.slice(0, 3 * width), width).search(each[0]!, 10)).toHaveLength(3);
    expect(new VectorSearch(new Float32Array(0), 0).search(each[0]!, 10)).toEqual([]);
  });
});
