import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAsker } from "./asker.ts";
import { findRate } from "./find-rate.ts";
import { loadReportHtml } from "./report.ts";
import { type LoadResult, runTrace } from "./run.ts";
import { drawTrace } from "./trace.ts";

const texts = Array.from({ length: 1000 }, (_, at) => `text ${at}`);

describe("a trace", () => {
  test("is the same for the same seed, and has the rate's count of arrivals, exponentially apart", () => {
    const options = { rate: 100, seconds: 100, texts, seed: 3 };
    const trace = drawTrace(options);
    expect(drawTrace(options)).toEqual(trace);
    expect(drawTrace({ ...options, seed: 4 })[0]).not.toEqual(trace[0]);
    expect(Math.abs(trace.length - 10_000)).toBeLessThan(400); // 4 standard deviations
    const gaps = trace.map(({ atMs }, at) => atMs - (trace[at - 1]?.atMs ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    expect(deviation / mean).toBeCloseTo(1, 1); // 1 for the exponential distribution, 0 for a metronome
  });

  test("repeats the share that is asked for, the first texts most", () => {
    const trace = drawTrace({ rate: 100, seconds: 60, texts, repeats: 0.5 });
    const counts = new Map<string, number>();
    for (const { text } of trace) counts.set(text, (counts.get(text) ?? 0) + 1);
    const fresh = trace.filter(({ text }) => counts.get(text) === 1).length;
    expect(fresh / trace.length).toBeGreaterThan(0.4);
    expect(fresh / trace.length).toBeLessThan(0.55);
    expect(counts.get("text 0")!).toBeGreaterThan(counts.get("text 20")! * 3);
  });
});

describe("sending a trace", () => {
  test("counts latency from the intended start, so a stall is felt by all it kept waiting", async () => {
    let isStalled = true;
    const ask = async (): Promise<number> => {
      if (isStalled) {
        isStalled = false;
        const endMs = performance.now() + 300;
        while (performance.now() < endMs); // the whole process stands still, the sender too
      }
      return 200;
    };
    const trace = Array.from({ length: 50 }, (_, at) => ({ atMs: at * 10, text: "a" }));
    const { latencyMs, sent, answered, lateP99Ms } = await runTrace(trace, ask);
    expect([sent, answered]).toEqual([50, 50]);
    expect(latencyMs.p50).toBeGreaterThan(20); // without correction it would be near 0
    expect(latencyMs.max).toBeGreaterThan(280);
    expect(lateP99Ms).toBeGreaterThan(200);
  });

  test("does not count the warm-up, and tells refused from failed", async () => {
    const statuses = [200, 200, 429, 500, 0, 204];
    const trace = statuses.map((_, at) => ({ atMs: at * 20, text: String(at) }));
    const result = await runTrace(trace, async (text) => statuses[Number(text)]!, { warmUpSeconds: 0.02 });
    expect(result).toMatchObject({ sent: 5, answered: 2, rejected: 1, failed: 2 });
  });
});

describe("over HTTP", () => {
  let server: Server;
  let url: string;
  beforeAll(async () => {
    server = createServer((request, answer) => {
      request.resume().once("end", () => {
        if (request.url !== "/silent") answer.writeHead(request.url === "/full" ? 429 : 200).end("{}");
      });
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  test("gives statuses, and 0 where no answer came in time", async () => {
    const asked = [
      createAsker({ url: `${url}/` }),
      createAsker({ url: `${url}/full` }),
      createAsker({ url: `${url}/silent`, timeoutMs: 200 }),
    ];
    expect(await Promise.all(asked.map(({ ask }) => ask("a")))).toEqual([200, 429, 0]);
    for (const asker of asked) asker.close();
  });
});

describe("finding a rate", () => {
  test("ends within 5 % of where the server gives way", async () => {
    const trial = async (rate: number): Promise<LoadResult> =>
      ({ sent: 100, answered: 100, latencyMs: { p99: rate <= 73 ? 100 : 900 } }) as LoadResult;
    const { best, trials } = await findRate(trial, { p99Ms: 250 });
    expect(best!.rate).toBeGreaterThan(73 / 1.06);
    expect(best!.rate).toBeLessThanOrEqual(73);
    expect(trials.length).toBeLessThan(15);
  });

  test("takes refused requests for a rate that does not hold", async () => {
    const trial = async (): Promise<LoadResult> =>
      ({ sent: 100, answered: 90, latencyMs: { p99: 1 } }) as LoadResult;
    expect((await findRate(trial, { p99Ms: 250 })).best).toBeUndefined();
  });
});

test("the report needs nothing from elsewhere and keeps names harmless", async () => {
  const result = await runTrace(drawTrace({ rate: 50, seconds: 1, texts }), async () => 200);
  const html = loadReportHtml("<b>test", { address: "http://a/?<script>" }, [
    { name: "stage 1", rate: 50, result },
  ]);
  expect(html).not.toMatch(/<script|<b>|src=|href=/);
  expect(html).toContain("polyline");
});
