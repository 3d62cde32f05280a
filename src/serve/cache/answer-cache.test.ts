import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { tooLate } from "../../tasks/batch-order.ts";
import { AnswerCache, openCache } from "./answer-cache.ts";
import { MemoryStore } from "./answer-store.ts";

/** A computation that ends when it is told to. */
function computation() {
  const calls: { signal: AbortSignal; resolve: (answer: unknown) => void; reject: (error: Error) => void }[] =
    [];
  const compute = (signal: AbortSignal): Promise<unknown> =>
    new Promise((resolve, reject) => {
      calls.push({ signal, resolve, reject });
    });
  return { calls, compute };
}

const turn = () => sleep(5);

describe("a cache of answers", () => {
  test("computes a question once, and gives every caller a value of its own", async () => {
    const cache = openCache();
    const { calls, compute } = computation();
    const asked = [1, 2, 3].map(() => cache.answer("key", compute));
    await turn();
    expect(calls).toHaveLength(1);
    calls[0]!.resolve({ label: "good", score: 0.75 });
    const answers = await Promise.all(asked);
    expect(answers).toEqual(Array(3).fill({ label: "good", score: 0.75 }));
    expect(answers[0]).not.toBe(answers[1]);
    expect(await cache.answer("key", compute)).toEqual(answers[0]);
    expect(calls).toHaveLength(1);
    expect(cache.counts).toEqual({ hit: 1, joined: 2, miss: 1 });
  });

  test("keeps no failure", async () => {
    const cache = openCache();
    await expect(cache.answer("key", () => Promise.reject(new Error("once")))).rejects.toThrow("once");
    expect(await cache.answer("key", async () => 1)).toBe(1);
  });

  test("ends a computation when the last caller goes away, not before", async () => {
    const cache = openCache();
    const { calls, compute } = computation();
    const [first, second] = [new AbortController(), new AbortController()];
    const asked = [first, second].map(({ signal }) => cache.answer("key", compute, signal));
    const ends = Promise.allSettled(asked);
    await turn();
    first.abort();
    await expect(asked[0]).rejects.toMatchObject({ code: "interrupted" });
    expect(calls[0]!.signal.aborted).toBe(false);
    second.abort();
    await ends;
    expect(calls[0]!.signal.aborted).toBe(true);
    const again = cache.answer("key", compute);
    await turn();
    calls[1]!.resolve(2);
    expect(await again).toBe(2);
  });

  test("asks again for a caller with more time than the one it had joined", async () => {
    const cache = openCache();
    const { calls, compute } = computation();
    const hasty = cache.answer("key", compute);
    const patient = cache.answer("key", compute);
    await turn();
    calls[0]!.reject(tooLate());
    await expect(hasty).rejects.toMatchObject({ code: "deadline" });
    await turn();
    calls[1]!.resolve("late");
    expect(await patient).toBe("late");
  });

  test("forgets the least recently used beyond its bytes", async () => {
    const store = new MemoryStore(4000);
    const cache = new AnswerCache([store]);
    for (let at = 0; at < 20; at++) await cache.answer(String(at), async () => "x".repeat(300));
    expect(store.sizeBytes).toBeLessThanOrEqual(4000);
    expect(await cache.answer("19", async () => "new")).toBe("x".repeat(300));
    expect(await cache.answer("0", async () => "new")).toBe("new");
  });
});
