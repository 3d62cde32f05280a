/** A gateway's connection to one worker: what it serves, what is under way there, and whether it is well. */

import { setTimeout as sleep } from "node:timers/promises";
import { RuntimeFailure, TesseraeError } from "../../errors.ts";
import type { ModelStatus } from "../model-pool.ts";
import { ConcurrencyLimit, type LoadSign } from "./concurrency-limit.ts";
import { connectionLost, type WorkerClient } from "./worker-client.ts";
import { WorkerHealth } from "./worker-health.ts";

const probeEveryMs = 500;
const probeTimeoutMs = 1000;

export class WorkerLink {
  readonly limit = new ConcurrencyLimit();
  /** As the worker told last; kept while it is away, so that its models are known to exist. */
  models: readonly ModelStatus[] = [];
  private readonly health = new WorkerHealth();
  private readonly calls = new Set<AbortController>();
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  /** `onChange` is called when the worker may have become able to take more. */
  constructor(
    readonly address: string,
    readonly client: WorkerClient,
    private readonly onChange: () => void,
  ) {}

  get isUsable(): boolean {
    return !this.isClosed && this.health.isUsable(performance.now());
  }

  get isSuspect(): boolean {
    return !this.isClosed && this.health.isSuspect(performance.now());
  }

  /** In a word. */
  get state(): string {
    return this.health.describe(performance.now());
  }

  /** Share of its limit that is under way. */
  get load(): number {
    return this.limit.outstanding / this.limit.current;
  }

  has(ref: string): boolean {
    return this.models.some((model) => model.ref === ref || model.name === ref);
  }

  /** Asks the worker how it is, now and every half second until the link closes. */
  async probe(): Promise<void> {
    try {
      const { isReady, models } = await this.client.status(probeTimeoutMs);
      this.models = models;
      this.health.probeAnswered(isReady);
      this.onChange();
    } catch (error) {
      if (connectionLost(error)) this.health.probeRefused();
      else if (this.health.probeMissed()) this.abandonCalls();
    }
    if (!this.isClosed) this.timer = setTimeout(() => void this.probe(), probeEveryMs).unref();
  }

  /**
   * Runs a call whose `cost` inputs have entered the limit.
   * @throws RuntimeFailure, code interrupted, when the worker stops answering meanwhile; and what `work` throws.
   */
  async call<T>(cost: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const startMs = performance.now();
    this.calls.add(controller);
    let sign: LoadSign = "ignored";
    try {
      const result = await work(AbortSignal.any([signal, controller.signal]));
      sign = "ok";
      this.health.callSucceeded();
      return result;
    } catch (error) {
      sign = this.judge(error, signal);
      if (!controller.signal.aborted) throw error;
      throw new RuntimeFailure(`worker ${this.address}: stopped answering`, {
        code: "interrupted",
        cause: error,
      });
    } finally {
      this.calls.delete(controller);
      this.limit.leave(cost, sign, performance.now() - startMs, performance.now());
      this.onChange();
    }
  }

  /** Ends the connection; calls under way there have ended or fail. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.client.close();
  }

  /** Resolves when no call is under way, at the latest after `timeoutMs`. */
  async drained(timeoutMs: number): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (this.calls.size > 0 && performance.now() < endMs) await sleep(20);
  }

  private abandonCalls(): void {
    for (const controller of this.calls) controller.abort();
  }

  /** What a failed call says about load; failures that are the worker's own count against its health. */
  private judge(error: unknown, { aborted }: AbortSignal): LoadSign {
    if (aborted || !(error instanceof TesseraeError)) return "ignored";
    if (error.code === "overloaded" || error.code === "deadline") return "overloaded";
    if (connectionLost(error) || error.status >= 500) this.health.callFailed(performance.now());
    return "ignored";
  }
}
