import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { TesseraeError } from "../errors.ts";
import { BatchCost } from "./batch-cost.ts";
import type { BatchOrder } from "./batch-order.ts";
import { BatchQueue, type WaitingInput } from "./batch-queue.ts";

interface Input extends WaitingInput {
  readonly id: number;
}

/** A cost of 1 ms for a batch and 0.1 ms for a token. */
function measured(): BatchCost {
  const cost = new BatchCost();
  for (let round = 0; round < 10; round++)
    for (const [rows, length] of [
      [1, 10],
      [4, 10],
      [1, 100],
      [8, 30],
    ] as const)
      cost.learn({ rows, length }, 1 + 0.1 * rows * length);
  return cost;
}

function queueOf({ maxTokens = 256, cost = measured() } = {}) {
  const queue = new BatchQueue<Input>(cost, maxTokens);
  const rejected = new Map<number, string>();
  let next = 0;
  const add = (length: number, order: BatchOrder = {}, group = ""): number => {
    const id = next++;
    const reject = (error: unknown): void => void rejected.set(id, (error as TesseraeError).code);
    queue.add({ id, length, order, group, reject });
    return id;
  };
  const take = (): number[] => queue.take().map(({ id }) => id);
  return { queue, add, take, rejected };
}

// The clock stands still, so that what a slow machine takes is not part of any answer.
beforeAll(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterAll(() => void vi.useRealTimers());

/** Batches of one input each show the order. */
const alone = { maxTokens: 1 };

describe("what waits for its batch", () => {
  test("comes in the order of deadlines, and without one after those that are due soon", () => {
    const { add, take } = queueOf(alone);
    const now = Date.now();
    const patient = add(5);
    const later = add(6, { deadline: now + 900 });
    const sooner = add(7, { deadline: now + 500 });
    const last = add(5, { deadline: now + 60_000 });
    expect([take(), take(), take(), take()]).toEqual([[sooner], [later], [patient], [last]]);
  });

  test("of a high priority goes first, and of a low one is not forgotten", () => {
    const { add, take } = queueOf(alone);
    const low = add(10, { priority: "low" });
    const normal = add(10);
    const high = Array.from({ length: 40 }, () => add(10, { priority: "high" }));
    const order = Array.from({ length: 42 }, () => take()[0]!);
    expect(order[0]).toBe(high[0]);
    expect(order.indexOf(normal)).toBeLessThan(10);
    expect(order.indexOf(low)).toBeLessThan(40);
  });

  test("shares the model evenly between a tenant with much and one with little", () => {
    const { add, take } = queueOf({ maxTokens: 80 });
    const many = new Set(Array.from({ length: 100 }, () => add(10, { tenant: "many" })));
    take();
    const few = Array.from({ length: 10 }, () => add(10, { tenant: "few" }));
    const next = [take(), take(), take()].flat();
    expect(few.every((id) => next.includes(id))).toBe(true);
    expect(next.filter((id) => many.has(id)).length).toBeGreaterThan(10);
  });

  test("does not let a tenant save up turns while it asks nothing", () => {
    const { add, take } = queueOf(alone);
    add(100, { tenant: "a" });
    take();
    for (let at = 0; at < 20; at++) add(100, { tenant: "a" });
    for (let at = 0; at < 10; at++) take();
    const late = new Set(Array.from({ length: 8 }, () => add(100, { tenant: "b" })));
    const next = [take(), take(), take(), take(), take(), take()].flat();
    expect(next.filter((id) => late.has(id)).length).toBeLessThanOrEqual(4);
  });

  test("is dropped when nobody waits, when its time is over, and when there is too little left", () => {
    const { queue, add, take, rejected } = queueOf();
    const caller = new AbortController();
    const gone = add(10, { signal: caller.signal });
    const late = add(10, { deadline: Date.now() - 1 });
    const tooLong = add(200, { deadline: Date.now() + 5 });
    const kept = add(10, { deadline: Date.now() + 5000 });
    caller.abort();
    expect(take()).toEqual([kept]);
    expect(Object.fromEntries(rejected)).toEqual({
      [gone]: "interrupted",
      [late]: "deadline",
      [tooLong]: "deadline",
    });
    expect(queue.size).toBe(0);
    expect(take()).toEqual([]);
  });

  test("gets batches that are small enough for the deadlines of all", () => {
    const urgent = { deadline: Date.now() + 10 };
    const { add, take } = queueOf();
    for (let at = 0; at < 20; at++) add(10, at === 0 ? urgent : {});
    const batch = take();
    // 10 ms less those of the urgent one alone, 2 ms, are enough for 1 ms and 0.1 ms for each of 70 tokens.
    expect(batch.length).toBeGreaterThanOrEqual(4);
    expect(batch.length).toBeLessThanOrEqual(8);
    const { add: addPatient, take: takePatient } = queueOf();
    for (let at = 0; at < 20; at++) addPatient(10);
    expect(takePatient()).toHaveLength(20);
  });

  test("shares batches only within its group", () => {
    const { add, take } = queueOf();
    const [a, b, c] = [add(1, {}, "small"), add(1, {}, "large"), add(1, {}, "small")];
    expect([take(), take()]).toEqual([[a, c], [b]]);
  });

  test("is computed exactly once, in batches within the budget and with little padding", () => {
    const inputs = fc.array(
      fc.record({
        length: fc.integer({ min: 1, max: 300 }),
        tenant: fc.constantFrom("a", "b", "c"),
        priority: fc.constantFrom("high", "normal", "low"),
      }),
      { minLength: 1, maxLength: 200 },
    );
    fc.assert(
      fc.property(inputs, (given) => {
        const cost = measured();
        const { queue, add } = queueOf({ cost });
        for (const { length, ...order } of given) add(length, order);
        const seen: number[] = [];
        while (queue.size > 0) {
          const batch = queue.take();
          const lengths = batch.map(({ length }) => length);
          const longest = Math.max(...lengths);
          const padding = lengths.reduce((sum, length) => sum + longest - length, 0);
          expect(padding).toBeLessThanOrEqual(cost.fixedTokens);
          expect(longest * batch.length <= 256 || batch.length === 1).toBe(true);
          seen.push(...batch.map(({ id }) => id));
        }
        expect(seen.sort((x, y) => x - y)).toEqual(given.map((_, at) => at));
      }),
      { numRuns: 50 },
    );
  });
});
