import { describe, expect, test } from "vitest";
import { BatchCost } from "./batch-cost.ts";

const shapes = [1, 2, 4, 8].flatMap((rows) => [8, 24, 64, 200].map((length) => ({ rows, length })));

/** Milliseconds on a machine with these costs. */
const timeOn =
  (fixed: number, token: number, pair: number) =>
  ({ rows, length }: { rows: number; length: number }): number =>
    fixed + token * rows * length + pair * rows * length * length;

const learned = (time: ReturnType<typeof timeOn>, rounds = 4): BatchCost => {
  const cost = new BatchCost();
  for (let round = 0; round < rounds; round++) for (const shape of shapes) cost.learn(shape, time(shape));
  return cost;
};

describe("the cost of batches", () => {
  test("is unknown before a batch was measured, and in proportion after one", () => {
    const cost = new BatchCost();
    expect(cost.predict({ rows: 1, length: 10 })).toBeUndefined();
    cost.learn({ rows: 1, length: 10 }, 5);
    expect(cost.predict({ rows: 1, length: 10 })).toBeCloseTo(5);
    expect(cost.predict({ rows: 8, length: 100 })).toBeGreaterThan(50);
  });

  test.each([
    ["a large model", 6, 0.45, 0.0003],
    ["a small one whose batches cost more than their tokens", 0.4, 0.002, 0.00001],
    ["one without attention", 1, 0.1, 0],
  ])("is found for %s", (_, fixed, token, pair) => {
    const time = timeOn(fixed, token, pair);
    const cost = learned(time);
    for (const shape of [
      { rows: 3, length: 100 },
      { rows: 16, length: 16 },
      { rows: 1, length: 12 },
    ]) {
      const ratio = cost.predict(shape)! / time(shape);
      expect(ratio).toBeGreaterThan(0.9);
      expect(ratio).toBeLessThan(1.1);
    }
    expect(cost.fixedTokens / Math.min(64, fixed / token)).toBeCloseTo(1, 0);
  });

  test("follows a machine that becomes slower", () => {
    const cost = learned(timeOn(1, 0.1, 0));
    const slower = timeOn(3, 0.3, 0);
    for (let round = 0; round < 30; round++) for (const shape of shapes) cost.learn(shape, slower(shape));
    const shape = { rows: 4, length: 50 };
    expect(cost.predict(shape)! / slower(shape)).toBeGreaterThan(0.9);
  });

  test("stays positive whatever is measured", () => {
    const cost = new BatchCost();
    const random = (at: number): number => Math.abs(Math.sin(at * 12.9898) * 43758.5453) % 1;
    for (let at = 0; at < 500; at++) {
      cost.learn({ rows: 1 + (at % 7), length: 5 + ((at * 31) % 90) }, 0.01 + 100 * random(at));
      expect(cost.predict({ rows: 1, length: 1 })).toBeGreaterThan(0);
      expect(cost.predict({ rows: 8, length: 256 })).toBeGreaterThan(0);
    }
  });
});
