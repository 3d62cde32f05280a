/** A session in a thread of its own, so that the caller's event loop stays free while it computes. */

import { RuntimeFailure } from "../errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkFeeds, fillTargets, wantedOutputs } from "./checks.ts";
import { nameOf } from "./ort-options.ts";
import type { OpProfile } from "./profile.ts";
import { type Provider, warnOnce } from "./providers.ts";
import type {
  Feeds,
  Fetches,
  ModelSource,
  RunOptions,
  Session,
  SessionOptions,
  StagedSource,
  ValueInfo,
} from "./session.ts";
import type { SessionApi, SessionDescription, SessionInit } from "./session-worker.ts";
import { startThread, type Thread, workerUrl } from "./thread.ts";
import { copyTensor } from "./wire.ts";

/**
 * Memory: feeds are copied, since moving them would leave the caller with unusable tensors; `run(…, { give: true })`
 * moves those that fill their ArrayBuffer. Outputs come without a copy, or are copied into the tensors of `fetches`.
 * Work that keeps state between runs belongs in a worker module of its own, with an `OrtSession` and `serveThread`.
 */
export class ThreadedSession implements Session {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly provider: Provider;
  private released: Promise<void> | undefined;

  private constructor(
    private readonly thread: Thread<SessionApi>,
    private readonly where: string,
    { inputs, outputs, provider }: SessionDescription,
  ) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.provider = provider;
  }

  /** @throws what `OrtSession.open` throws; ConfigError when the package is not built. */
  static async open(
    source: ModelSource | StagedSource,
    options: SessionOptions = {},
  ): Promise<ThreadedSession> {
    const { log = warnOnce, ...rest } = options;
    const init: SessionInit = { source, options: rest };
    const thread = await startThread<SessionApi>(workerUrl("runtime/session-worker"), init);
    const description = await thread.call("describe");
    description.notices.forEach(log);
    return new ThreadedSession(thread, nameOf(source), description);
  }

  async run(feeds: Feeds, fetches?: Fetches, options: RunOptions = {}): Promise<Record<string, Tensor>> {
    this.checkOpen();
    checkFeeds(this.where, this.inputs, feeds);
    const wanted = wantedOutputs(this.where, this.outputs, fetches);
    const results = await this.thread.call("run", options.give ? feeds : copyAll(feeds), Object.keys(wanted));
    return fillTargets(this.where, wanted, results);
  }

  async profile(by: "op" | "node" = "op"): Promise<OpProfile[]> {
    this.checkOpen();
    return this.thread.call("profile", by);
  }

  release(): Promise<void> {
    this.released ??= this.close();
    return this.released;
  }

  private checkOpen(): void {
    if (this.released) throw new RuntimeFailure(`${this.where}: was released; open a new session`);
  }

  private async close(): Promise<void> {
    // A thread that died has nothing left to free.
    await this.thread.call("release").catch(() => undefined);
    await this.thread.terminate();
  }
}

const copyAll = (tensors: Feeds): Feeds =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, copyTensor(tensor)]));

/** Opens a model in a thread of its own: the usual way to get a session. @throws as `ThreadedSession.open`. */
export const openSession = (source: ModelSource | StagedSource, options?: SessionOptions): Promise<Session> =>
  ThreadedSession.open(source, options);
