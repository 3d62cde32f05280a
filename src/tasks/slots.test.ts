import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { Slots } from "./slots.ts";

test("begins work in order, so much at a time, and goes on after a failure", async () => {
  const slots = new Slots(2);
  const begun: number[] = [];
  let [running, most] = [0, 0];
  const work = (at: number) => async (): Promise<number> => {
    begun.push(at);
    most = Math.max(most, ++running);
    await setTimeout(1);
    running--;
    if (at === 1) throw new Error("failed");
    return at;
  };
  const results = await Promise.allSettled([0, 1, 2, 3, 4].map((at) => slots.run(work(at))));
  expect(
    results.map((result) => (result.status === "fulfilled" ? result.value : result.reason.message)),
  ).toEqual([0, "failed", 2, 3, 4]);
  expect([begun, most]).toEqual([[0, 1, 2, 3, 4], 2]);
});
