import { describe, expect, test } from "vitest";
import { Random } from "../tensor/random.ts";
import { bufferedShuffle, runLengths } from "./buffered-shuffle.ts";
import { BatchSampler } from "./sampler.ts";

const sorted = (order: readonly number[]): number[] => [...order].sort((a, b) => a - b);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

describe("a buffered shuffle", () => {
  test("has every item once, in an order that the seed decides", () => {
    const sizes = [30, 1, 50, 19];
    const order = bufferedShuffle(sizes, new Random(3), 10);
    expect(sorted(order)).toEqual(upTo(100));
    expect(bufferedShuffle(sizes, new Random(3), 10)).toEqual(order);
    expect(bufferedShuffle(sizes, new Random(4), 10)).not.toEqual(order);
  });

  test("holds no more than its buffer back: an item comes at most so many places early", () => {
    const size = 10;
    const order = bufferedShuffle([100], new Random(1), size);
    for (const [place, item] of order.entries()) expect(item).toBeLessThan(place + size);
    expect(order.slice(0, 20)).not.toEqual(upTo(20));
  });

  test("mixes parts only where one follows the other", () => {
    const order = bufferedShuffle(Array(10).fill(100), new Random(2), 20);
    const parts = order.map((item) => Math.floor(item / 100));
    for (let at = 0; at < 1000; at += 10) expect(new Set(parts.slice(at, at + 10)).size).toBeLessThan(4);
  });
});

describe("run lengths", () => {
  test("count neighbours of one part", () => {
    expect(runLengths(["a", "a", "b", "a", undefined, undefined])).toEqual([2, 1, 1, 2]);
    expect(runLengths([])).toEqual([]);
  });
});

describe("batches over parts", () => {
  const options = { batchSize: 8, seed: 1, maxLength: 1 };

  test("may leave out what does not fill one, but never all of it", () => {
    const full = new BatchSampler(Array(20).fill(1), { ...options, fullBatches: true });
    expect(full.batchesOf(0).map(({ indices }) => indices.length)).toEqual([8, 8]);
    const few = new BatchSampler([1, 1, 1], { ...options, fullBatches: true });
    expect(few.batchesOf(0).map(({ indices }) => indices.length)).toEqual([3]);
  });

  test("follow the parts and differ from epoch to epoch", () => {
    const sampler = new BatchSampler(Array(64).fill(1), { ...options, partSizes: [32, 32] });
    const orders = [0, 1].map((epoch) => sampler.batchesOf(epoch).flatMap(({ indices }) => indices));
    expect(orders.map(sorted)).toEqual([upTo(64), upTo(64)]);
    expect(orders[0]).not.toEqual(orders[1]);
  });
});
