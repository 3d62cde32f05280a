import { describe, expect, test } from "vitest";
import { ConcurrencyLimit } from "./concurrency-limit.ts";
import { discovery } from "./discovery.ts";
import { RetryBudget } from "./retry-budget.ts";

describe("RetryBudget", () => {
  test("allows a fifth of the requests beyond its reserve", () => {
    const budget = new RetryBudget();
    while (budget.take());
    for (let request = 0; request < 100; request++) budget.request();
    let retries = 0;
    while (budget.take()) retries++;
    expect(retries).toBe(20);
  });
});

describe("ConcurrencyLimit", () => {
  /** A worker that computes `rate` inputs per second in turn, asked as fast as the limit allows. */
  function settle(rate: number): number {
    const limit = new ConcurrencyLimit();
    const sent: number[] = [];
    for (let nowMs = 0; nowMs < 120_000; nowMs += 1000 / rate) {
      while (limit.enter(1)) sent.push(nowMs);
      const sentMs = sent.shift()!;
      limit.leave(1, "ok", nowMs - sentMs, nowMs);
    }
    return limit.current;
  }

  test("comes to what a worker answers within a second", () => {
    expect(settle(50)).toBeGreaterThan(30);
    expect(settle(50)).toBeLessThan(60);
    expect(settle(500)).toBeGreaterThan(200);
  });

  test("falls to no less than a batch however often a worker refuses, and only once per round trip", () => {
    const limit = new ConcurrencyLimit();
    for (let count = 0; count < 10; count++) limit.enter(1);
    limit.leave(1, "overloaded", 100, 1000);
    limit.leave(1, "overloaded", 100, 1050);
    expect(limit.current).toBe(25);
    for (let nowMs = 2000; nowMs < 20_000; nowMs += 1000) {
      limit.enter(1);
      limit.leave(1, "overloaded", 1, nowMs);
    }
    expect(limit.current).toBe(8);
  });

  test("does not grow while it is not what holds requests back", () => {
    const limit = new ConcurrencyLimit();
    for (let nowMs = 0; nowMs < 1000; nowMs++) {
      limit.enter(1);
      limit.leave(1, "ok", 1, nowMs);
    }
    expect(limit.current).toBe(32);
  });

  test("admits a request beyond the limit only alone", () => {
    const limit = new ConcurrencyLimit();
    expect(limit.enter(200)).toBe(true);
    expect(limit.enter(1)).toBe(false);
    limit.leave(200, "ignored", 1, 1);
    expect([limit.enter(1), limit.enter(200)]).toEqual([true, false]);
  });
});

describe("discovery", () => {
  test("gives listed workers, and all addresses of a name", async () => {
    expect(await discovery(["10.0.0.7:8001", "worker-2:8001", "[::1]:8001", "10.0.0.7:8001"])()).toEqual([
      "10.0.0.7:8001",
      "[::1]:8001",
      "worker-2:8001",
    ]);
    expect(await discovery(["dns:///localhost:8001"])()).toContain("127.0.0.1:8001");
  });

  test("has no addresses for a name that does not exist", async () => {
    expect(await discovery(["dns:///no-such-host.invalid:8001"])().catch(() => [])).toEqual([]);
  });

  test.each(["worker", "worker:0", "worker:99999", "http://worker:1", "dns://worker:1", ""])(
    "refuses %j",
    (target) => expect(() => discovery([target])).toThrow(/expected host:port/),
  );
});
