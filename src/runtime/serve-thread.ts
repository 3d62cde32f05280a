/** The worker's side of `thread.ts`: it answers calls until it is told to stop. */

import { parentPort, workerData } from "node:worker_threads";
import { RuntimeFailure } from "../errors.ts";
import { type PackedError, pack, packError, unpack } from "./wire.ts";

export interface Call {
  id: number;
  method: string;
  args: unknown;
}

export type Reply = { id: number; result: unknown } | { id: number; error: PackedError };

/** Names of the messages that are not calls of the API: the first one, and the last. */
export const START = "$start";
export const STOP = "$stop";

/** What a worker gets as `workerData`: shared memory whose first element turns 1 when it stops. */
export type StoppedFlag = Int32Array;

type Methods = Record<string, (...args: unknown[]) => unknown>;

/** Called once by a worker's module: `start` turns what `startThread` sent into the methods to serve. */
export function serveThread<Init>(start: (init: Init) => object | Promise<object>): void {
  const port = parentPort;
  if (!port) throw new RuntimeFailure("serveThread: this module must be the entry of a worker thread");
  const stopped = workerData as StoppedFlag;
  process.on("exit", () => {
    Atomics.store(stopped, 0, 1);
    Atomics.notify(stopped, 0);
  });
  let api: object = {};
  const answer = async ({ method, args }: Call): Promise<unknown> => {
    const values = unpack(args) as unknown[];
    if (method !== START) return (api as Methods)[method]!(...values);
    api = await start(values[0] as Init);
  };
  port.on("message", async (call: Call) => {
    const { id, method } = call;
    if (method === STOP) process.exit(0);
    try {
      const moved = new Set<ArrayBuffer>();
      const result = pack(await answer(call), moved);
      port.postMessage({ id, result } satisfies Reply, [...moved]);
    } catch (error) {
      port.postMessage({ id, error: packError(error) } satisfies Reply);
    }
  });
}
