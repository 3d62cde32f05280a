import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError, RuntimeFailure, ShapeError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { startThread, type Thread, workerUrl } from "./thread.ts";

interface Echo {
  echo(value: unknown): unknown;
  initial(): Tensor;
  double(tensor: Tensor): Tensor;
  throwShape(): void;
  throwDefect(): void;
  exit(code: number): void;
  throwUncaught(): void;
  never(): void;
  notCloneable(): unknown;
}

const echoUrl = new URL("../../test/support/echo-worker.mjs", import.meta.url);
const start = (init?: unknown) => startThread<Echo>(echoUrl, init);
const pair = () => Tensor.from("float32", [2], [1, 2]);

describe("a thread", () => {
  let thread: Thread<Echo>;
  beforeAll(async () => {
    thread = await start({ tensor: pair() });
  });
  afterAll(() => thread.terminate());

  test("answers calls with plain values", async () => {
    const value = { text: "a", list: [1, null, undefined, { deep: true }], big: 2n };
    expect(await thread.call("echo", value)).toEqual(value);
  });

  test("is handed its initial value", async () => {
    expect(await thread.call("initial")).toEqual(pair());
  });

  test("gets and returns tensors as tensors, at any depth", async () => {
    const result = await thread.call("echo", { list: [{ x: pair() }] });
    expect(result).toStrictEqual({ list: [{ x: pair() }] }); // strict: classes count
  });

  test("takes the memory of a tensor over", async () => {
    const tensor = pair();
    expect((await thread.call("double", tensor)).toNumbers()).toEqual([2, 4]);
    expect(tensor.data.length).toBe(0);
    await expect(thread.call("double", tensor)).rejects.toThrow(/memory was given to another thread earlier/);
  });

  test("copies a tensor that is part of a larger buffer, or shared", async () => {
    const large = Float32Array.from([1, 2, 3, 4]);
    const part = new Tensor("float32", [2], large.subarray(1, 3));
    const shared = new Tensor("float32", [1], new Float32Array(new SharedArrayBuffer(4)));
    expect((await thread.call("double", part)).toNumbers()).toEqual([4, 6]);
    expect(await thread.call("echo", shared)).toEqual(Tensor.zeros("float32", [1]));
    expect([...large]).toEqual([1, 2, 3, 4]);
  });

  test("sends two tensors in one memory once", async () => {
    const tensor = pair();
    const [flat, square] = (await thread.call("echo", [tensor, tensor.reshape([1, 2])])) as Tensor[];
    expect(flat!.data.buffer).toBe(square!.data.buffer);
  });

  test("throws errors of the same class and code, with the other thread's stack and cause", async () => {
    const error = await thread.call("throwShape").catch((thrown: ShapeError) => thrown);
    expect(error).toBeInstanceOf(ShapeError);
    expect(error).toMatchObject({ code: "shape", message: "echo: wrong shape" });
    const cause = (error as ShapeError).cause as Error;
    expect(cause.stack).toContain("echo-worker");
    expect(cause.cause).toMatchObject({ name: "RangeError", message: "the reason" });
  });

  test("throws a defect under its own name", async () => {
    await expect(thread.call("throwDefect")).rejects.toMatchObject({ name: "TypeError" });
  });

  test("rejects what cannot be sent, and goes on", async () => {
    await expect(thread.call("echo", () => 1)).rejects.toThrow("could not be cloned");
    await expect(thread.call("notCloneable")).rejects.toThrow("could not be cloned");
    expect(await thread.call("echo", 1)).toBe(1);
  });
});

describe("the end of a thread", () => {
  test.each([
    ["exits", "exit", 3, "thread echo-worker.mjs: exited with code 3"],
    [
      "throws outside a call",
      "throwUncaught",
      undefined,
      "died of an error: Cannot read properties of undefined",
    ],
  ] as const)("rejects all calls when it %s", async (_, method, argument, message) => {
    const thread = await start();
    const waiting = thread.call("never");
    const last = method === "exit" ? thread.call(method, argument) : thread.call(method);
    for (const call of [waiting, last]) {
      await expect(call).rejects.toBeInstanceOf(RuntimeFailure);
      await expect(call).rejects.toThrow(message);
    }
    await expect(thread.call("echo", 1)).rejects.toThrow(message);
  });

  test("by terminate interrupts calls under way", async () => {
    const thread = await start();
    const waiting = thread.call("never");
    await Promise.all([expect(waiting).rejects.toMatchObject({ code: "interrupted" }), thread.terminate()]);
    await expect(thread.call("echo", 1)).rejects.toThrow("was terminated");
  });

  test("is not needed for the process to exit", () => {
    const script = `
      import { startThread } from ${JSON.stringify(new URL("../../dist/runtime/index.js", import.meta.url).href)};
      const thread = await startThread(new URL(${JSON.stringify(echoUrl.href)}));
      console.log(await thread.call("echo", "answered"));`;
    const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      timeout: 20_000,
    });
    expect([String(stdout), status]).toEqual(["answered\n", 0]);
  });
});

describe("startThread", () => {
  test("throws what the worker's start throws", async () => {
    await expect(start({ fail: true })).rejects.toBeInstanceOf(ShapeError);
  });

  test("throws a RuntimeFailure for a module that does not load", async () => {
    const url = new URL("./no-such-worker.js", import.meta.url);
    await expect(startThread(url, undefined)).rejects.toBeInstanceOf(RuntimeFailure);
  });
});

describe("workerUrl", () => {
  test("is the built file in dist/, also for a caller in src/", () => {
    const path = fileURLToPath(workerUrl("runtime/session-worker"));
    expect(path).toMatch(/dist[\\/]runtime[\\/]session-worker\.js$/);
  });

  test("names the build when the file is missing", () => {
    expect(() => workerUrl("runtime/no-such-worker")).toThrow(ConfigError);
    expect(() => workerUrl("runtime/no-such-worker")).toThrow('run "npm run build"');
  });
});
