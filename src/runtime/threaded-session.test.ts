import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { onnxModel } from "../../test/support/onnx-models.ts";
import { row, sumModel, testSessions } from "../../test/support/session-suite.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { SessionApi } from "./session-worker.ts";
import { startThread, workerUrl } from "./thread.ts";
import { openSession, ThreadedSession } from "./threaded-session.ts";

const SIZE = 512;

/** x multiplied by itself many times: some hundred milliseconds of computing on one core. */
const slowModel = onnxModel({
  inputs: [["x", "float32", [SIZE, SIZE]]],
  outputs: [["y100", "float32", [SIZE, SIZE]]],
  nodes: Array.from({ length: 100 }, (_, at) => ({
    op: "MatMul",
    inputs: ["x", at === 0 ? "x" : `y${at}`],
    outputs: [`y${at + 1}`],
  })),
});
const square = () => Tensor.zeros("float32", [SIZE, SIZE]);

describe("ThreadedSession", () => {
  testSessions(ThreadedSession.open);

  test("leaves the event loop free while it computes", async () => {
    const session = await openSession({ bytes: slowModel }, { threads: 1 });
    const start = performance.now();
    let [last, longestGapMs] = [start, 0];
    const timer = setInterval(() => {
      const now = performance.now();
      longestGapMs = Math.max(longestGapMs, now - last);
      last = now;
    }, 2);
    await session.run({ x: square() });
    clearInterval(timer);
    const totalMs = performance.now() - start;
    longestGapMs = Math.max(longestGapMs, performance.now() - last);
    await session.release();
    expect(totalMs).toBeGreaterThan(50);
    expect(longestGapMs).toBeLessThan(totalMs * 0.9); // on the caller's own thread the gap would be all of it
  });

  test("takes the memory of feeds that are given", async () => {
    const session = await openSession({ bytes: sumModel });
    const [x, y] = [row(1, 2, 3, 4), row(1, 1, 1, 1)];
    const { sum } = await session.run({ x, y }, ["sum"], { give: true });
    await session.release();
    expect(sum).toEqual(row(2, 3, 4, 5));
    expect(x.data.length).toBe(0);
  });

  test("rejects a run that is under way when its thread is terminated", async () => {
    const init = { source: { bytes: slowModel }, options: { threads: 1 } };
    const thread = await startThread<SessionApi>(workerUrl("runtime/session-worker"), init);
    const run = thread.call("run", { x: square() }, ["y100"]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await Promise.all([expect(run).rejects.toMatchObject({ code: "interrupted" }), thread.terminate()]);
  });

  test("does not disturb a process that exits while it computes", () => {
    const folder = mkdtempSync(join(tmpdir(), "tesserae-exit-"));
    const path = join(folder, "slow.onnx");
    writeFileSync(path, slowModel);
    const built = (file: string) => JSON.stringify(new URL(`../../dist/${file}`, import.meta.url).href);
    const script = `
      import { openSession } from ${built("runtime/index.js")};
      import { Tensor } from ${built("tensor/tensor.js")};
      const session = await openSession({ path: ${JSON.stringify(path)} }, { threads: 1 });
      session.run({ x: Tensor.zeros("float32", [${SIZE}, ${SIZE}]) });
      setTimeout(() => process.exit(3), 30);`;
    const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 30_000 });
    rmSync(folder, { recursive: true });
    expect([child.status, child.signal]).toEqual([3, null]);
  });

  test("tells its log that a provider is replaced by cpu", async () => {
    const messages: string[] = [];
    const options = { provider: "tensorrt", log: (message: string) => messages.push(message) } as const;
    const session = await openSession({ bytes: sumModel }, options);
    const { provider } = session;
    await session.release();
    const expected =
      provider === "tensorrt" ? [] : [expect.stringMatching(/^provider tensorrt: .*; using cpu$/)];
    expect(messages).toEqual(expected);
  });
});
