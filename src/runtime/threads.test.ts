import { availableParallelism } from "node:os";
import { describe, expect, test } from "vitest";
import { availableThreads, quotaOf } from "./threads.ts";

describe("availableThreads", () => {
  test("is at least one and at most the machine's", () => {
    expect(availableThreads()).toBeGreaterThanOrEqual(1);
    expect(availableThreads()).toBeLessThanOrEqual(availableParallelism());
  });
});

describe("quotaOf", () => {
  test.each([
    ["max 100000\n", Number.POSITIVE_INFINITY],
    ["200000 100000\n", 2],
    ["150000 100000\n", 2],
    ["10000 100000\n", 1],
    ["", Number.POSITIVE_INFINITY],
  ])("reads %j as %d CPUs", (text, cpus) => {
    expect(quotaOf(text)).toBe(cpus);
  });
});
