/**
 * Calls into a worker thread: `startThread` on one side, `serveThread` in the worker's module.
 * Tensors in arguments and results move with their memory (zero copy): the sender's become unusable. Send
 * `copyTensor(t)` to keep one.
 */

import { existsSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { ConfigError, RuntimeFailure } from "../errors.ts";
import { packageUrl } from "./package-root.ts";
import { type Call, type Reply, START, STOP, type StoppedFlag } from "./serve-thread.ts";
import { pack, unpack, unpackError } from "./wire.ts";

export { serveThread } from "./serve-thread.ts";

type MethodOf<Api> = {
  [K in keyof Api]: Api[K] extends (...args: never[]) => unknown ? K & string : never;
}[keyof Api];
type ArgsOf<F> = F extends (...args: infer Args) => unknown ? Args : never;
type ResultOf<F> = F extends (...args: never[]) => infer Result ? Awaited<Result> : never;

interface Pending {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}

/** Threads that have not ended. */
const live = new Set<Thread<unknown>>();
const EXIT_WAIT_MS = 30_000;

process.on("exit", () => {
  for (const thread of live) thread.requestStop();
  for (const thread of live) thread.waitForStop(EXIT_WAIT_MS);
});

/**
 * A worker thread that answers the methods of `Api`. It keeps the process alive only while a call is under way.
 * It is never stopped by force: Node aborts the whole process when a worker ends inside ONNX Runtime.
 */
export class Thread<Api> {
  private readonly pending = new Map<number, Pending>();
  private readonly stopped: StoppedFlag = new Int32Array(new SharedArrayBuffer(4));
  private readonly worker: Worker;
  private readonly name: string;
  /** Resolves when the thread has ended, for whatever reason. */
  readonly exited: Promise<void>;
  private calls = 0;
  private failure: RuntimeFailure | undefined;

  constructor(moduleUrl: URL) {
    const name = basename(moduleUrl.pathname, ".js");
    // Flags of this process (loaders, --input-type) are not for the worker, which is plain JavaScript.
    const worker = new Worker(moduleUrl, { workerData: this.stopped, execArgv: [] });
    worker.on("message", (reply: Reply) => this.settle(reply));
    worker.on("error", (cause) => this.end(`thread ${name}: died of an error: ${cause.message}`, { cause }));
    this.exited = new Promise((resolve) => {
      worker.on("exit", (code) => {
        live.delete(this);
        this.end(`thread ${name}: exited with code ${code}`);
        resolve();
      });
    });
    this.worker = worker;
    this.name = name;
    live.add(this);
  }

  /**
   * Calls a method of the worker.
   * @throws what the method threw, with its class; RuntimeFailure when the thread died or was terminated.
   */
  async call<M extends MethodOf<Api>>(method: M, ...args: ArgsOf<Api[M]>): Promise<ResultOf<Api[M]>> {
    return (await this.send(method, args)) as ResultOf<Api[M]>;
  }

  /** Sends one message and waits for its reply. */
  async send(method: string, args: unknown): Promise<unknown> {
    if (this.failure) throw this.failure;
    const moved = new Set<ArrayBuffer>();
    const call: Call = { id: this.calls++, method, args: pack(args, moved) };
    this.worker.postMessage(call, [...moved]);
    this.worker.ref();
    return new Promise((resolve, reject) => {
      this.pending.set(call.id, { resolve, reject });
    });
  }

  /** Rejects calls under way as interrupted, and resolves when the thread has ended after the step it is in. */
  async terminate(): Promise<void> {
    this.end(`thread ${this.name}: was terminated`, { code: "interrupted" });
    this.worker.ref();
    this.requestStop();
    await this.exited;
  }

  /** Rejects calls under way, for a thread that no longer answers; should it ever come back, it ends. */
  abandon(message: string): void {
    this.end(`thread ${this.name}: ${message}`);
    this.requestStop();
    this.worker.unref();
  }

  /** Tells the thread to end when it is next between two steps. */
  requestStop(): void {
    this.worker.postMessage({ id: -1, method: STOP, args: [] } satisfies Call);
  }

  /** Blocks this thread until the worker is out of native code, at most `timeoutMs`. */
  waitForStop(timeoutMs: number): void {
    Atomics.wait(this.stopped, 0, 0, timeoutMs);
  }

  private settle(reply: Reply): void {
    const waiting = this.pending.get(reply.id);
    this.pending.delete(reply.id);
    if (this.pending.size === 0) this.worker.unref();
    if ("error" in reply) waiting?.reject(unpackError(reply.error));
    else waiting?.resolve(unpack(reply.result));
  }

  /** The first reason to end is the one that every later call reports. */
  private end(message: string, options?: ConstructorParameters<typeof RuntimeFailure>[1]): void {
    this.failure ??= new RuntimeFailure(message, options);
    for (const { reject } of this.pending.values()) reject(this.failure);
    this.pending.clear();
  }
}

/**
 * Starts a worker whose module calls `serveThread`, and hands it `init`; ready when the promise resolves.
 * @throws what the worker's `start` threw; RuntimeFailure when the worker dies before.
 */
export async function startThread<Api>(moduleUrl: URL, init: unknown): Promise<Thread<Api>> {
  const thread = new Thread<Api>(moduleUrl);
  try {
    await thread.send(START, [init]);
    return thread;
  } catch (error) {
    await thread.terminate();
    throw error;
  }
}

/**
 * The JavaScript file of a worker module, by its path in src/: `workerUrl("runtime/session-worker")`. A worker cannot load
 * TypeScript, so this is the built file in dist/ also where the caller is not built.
 * @throws ConfigError when it is not built.
 */
export function workerUrl(name: string): URL {
  const built = packageUrl(`dist/${name}.js`);
  if (!existsSync(built)) {
    throw new ConfigError(`worker ${name}: ${fileURLToPath(built)} does not exist; run "npm run build"`);
  }
  return built;
}
