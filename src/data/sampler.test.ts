import { describe, expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import { Random } from "../tensor/random.ts";
import { BatchSampler } from "./sampler.ts";

const random = new Random(5);
const lengths = Array.from({ length: 1003 }, () => 3 + random.integer(70));
const options = { batchSize: 16, seed: 1, maxLength: 60, multipleOf: 16 };
const sampler = new BatchSampler(lengths, options);

describe("BatchSampler", () => {
  test("holds every example once in each epoch, in batches of one size but one", () => {
    const batches = sampler.batchesOf(0);
    expect(batches).toHaveLength(sampler.batchCount);
    expect(batches.flatMap(({ indices }) => indices).sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
    expect(
      batches.filter(({ indices }) => indices.length !== 16).map(({ indices }) => indices.length),
    ).toEqual([11]);
  });

  test("pads to few lengths that hold the batch, at most maxLength", () => {
    const batches = sampler.batchesOf(0);
    expect(new Set(batches.map(({ length }) => length))).toEqual(new Set([16, 32, 48, 60]));
    for (const { indices, length } of batches) {
      for (const index of indices) expect(Math.min(60, lengths[index]!)).toBeLessThanOrEqual(length);
    }
  });

  test("computes little padding", () => {
    const batches = sampler.batchesOf(0);
    const computed = batches.reduce((sum, { indices, length }) => sum + indices.length * length, 0);
    const needed = lengths.reduce((sum, length) => sum + Math.min(60, length), 0);
    expect(needed / computed).toBeGreaterThan(0.8);
  });

  test("puts second texts of like length together too", () => {
    const targetLengths = lengths.map(() => 3 + random.integer(40));
    const batches = new BatchSampler(lengths, { ...options, targetLengths }).batchesOf(0);
    const longest = (indices: readonly number[]) =>
      Math.max(...indices.map((index) => targetLengths[index]!));
    const computed = batches.reduce((sum, { indices }) => sum + indices.length * longest(indices), 0);
    const needed = targetLengths.reduce((sum, length) => sum + length, 0);
    expect(needed / computed).toBeGreaterThan(0.7);
  });

  test("depends on seed and epoch alone", () => {
    expect(new BatchSampler(lengths, options).batchesOf(3)).toEqual(sampler.batchesOf(3));
    expect(sampler.batchesOf(4)).not.toEqual(sampler.batchesOf(3));
    expect(new BatchSampler(lengths, { ...options, seed: 2 }).batchesOf(3)).not.toEqual(sampler.batchesOf(3));
  });

  test("mixes short and long batches, and the examples of a batch, anew each epoch", () => {
    const order = sampler.batchesOf(0).map(({ length }) => length);
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
    const partners = (epoch: number) =>
      sampler.batchesOf(epoch).find(({ indices }) => indices.includes(0))!.indices;
    expect(new Set(partners(0))).not.toEqual(new Set(partners(1)));
  });

  test("refuses no examples and sizes that are not positive integers", () => {
    expect(() => new BatchSampler([], options)).toThrow(ConfigError);
    expect(() => new BatchSampler(lengths, { ...options, batchSize: 0 })).toThrow(
      /batchSize must be a positive/,
    );
  });
});
