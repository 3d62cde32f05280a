import { describe, expect, test } from "vitest";
import { Gate } from "./gate.ts";

/** Work that ends when it is told to. */
function steps() {
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const work = (id: number) => () => {
    begun.push(id);
    return new Promise<number>((resolve) => {
      ends[id] = () => resolve(id);
    });
  };
  return { begun, ends, work };
}

const never = new AbortController().signal;
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("a gate", () => {
  test("begins work in order while less than its limit is under way", async () => {
    const { begun, ends, work } = steps();
    const gate = new Gate(2);
    const results = [0, 1, 2, 3].map((id) => gate.run(1, never, work(id)));
    await turn();
    expect(begun).toEqual([0, 1]);
    ends[1]!();
    await turn();
    expect(begun).toEqual([0, 1, 2]);
    ends[0]!();
    ends[2]!();
    await turn();
    ends[3]!();
    expect(await Promise.all(results)).toEqual([0, 1, 2, 3]);
  });

  test("drops waiting work whose caller went away, not work that has begun", async () => {
    const { begun, ends, work } = steps();
    const gate = new Gate(1);
    const gone = new AbortController();
    const signals = [gone.signal, gone.signal, never];
    const results = signals.map((signal, id) => gate.run(5, signal, work(id)));
    await turn();
    gone.abort();
    ends[0]!();
    await expect(results[1]).rejects.toMatchObject({ code: "interrupted" });
    expect(await results[0]).toBe(0);
    await turn();
    expect(begun).toEqual([0, 2]);
    ends[2]!();
    expect(await results[2]).toBe(2);
  });

  test("goes on after work that fails", async () => {
    const gate = new Gate(1);
    await expect(gate.run(1, never, () => Promise.reject(new Error("bad")))).rejects.toThrow("bad");
    expect(await gate.run(1, never, async () => 1)).toBe(1);
  });
});
