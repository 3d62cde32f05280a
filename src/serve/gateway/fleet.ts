/**
 * All workers of a gateway: found by discovery, probed, chosen by the power of two choices, and asked again elsewhere when
 * one of them fails a request.
 *
 * Each worker is a gRPC channel of its own rather than one channel that balances: the choice depends on which worker has
 * the model and on what is under way there, and what a hung worker holds must be taken back and sent to another.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorCode, RuntimeFailure, TesseraeError } from "../../errors.ts";
import type { ModelStatus } from "../model-pool.ts";
import { OverloadError } from "../problem.ts";
import type { Discover } from "./discovery.ts";
import { RetryBudget } from "./retry-budget.ts";
import { takeOfTwo } from "./two-choices.ts";
import type { WorkerClient } from "./worker-client.ts";
import { WorkerLink } from "./worker-link.ts";
import { type Ticket, WorkerQueue } from "./worker-queue.ts";

const discoverEveryMs = 2000;
/** Milliseconds that a worker which left discovery has to end its answers. */
const drainMs = 30_000;
const pollMs = 50;
/** Of requests that state none. */
const defaultDeadlineMs = 60_000;
/** Milliseconds that a request waits for a worker when there is none, as while the only one restarts. */
const patienceMs = 5000;
/** Times that one request is sent at most. */
const maxAttempts = 4;

export interface FleetOptions {
  readonly discover: Discover;
  readonly connect: (address: string) => WorkerClient;
  /** Inputs that may wait for a worker. */
  readonly maxQueue: number;
  readonly tell: (message: string) => void;
}

export interface CallOptions {
  /** Inputs of the request. */
  readonly cost: number;
  readonly signal?: AbortSignal | undefined;
  readonly deadlineMs?: number | undefined;
  /** Whether a request that failed may be sent to another worker; default: always. */
  readonly mayRepeat?: () => boolean;
}

/** A call to one worker, with the milliseconds that are left for it. */
export type Work<T> = (client: WorkerClient, left: { signal: AbortSignal; deadlineMs: number }) => Promise<T>;

export class Fleet {
  /** Requests that were sent to another worker, since the start. */
  retries = 0;
  private readonly links = new Map<string, WorkerLink>();
  private readonly budget = new RetryBudget();
  private readonly queue: WorkerQueue<WorkerLink>;
  /** Requests for models that no worker serves now. */
  private stranded = 0;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(private readonly options: FleetOptions) {
    this.queue = new WorkerQueue((ticket) => this.pick(ticket), options.maxQueue);
  }

  /** Looks for workers from now on; resolves when one takes requests, or at the end. */
  async start(): Promise<void> {
    await this.discover();
    await Promise.all(this.workers.map((link) => link.probe()));
    while (!this.isClosed && !this.workers.some(({ isUsable }) => isUsable)) await sleep(pollMs);
  }

  get workers(): readonly WorkerLink[] {
    return [...this.links.values()];
  }

  get queueLength(): number {
    return this.queue.length;
  }

  get waitMs(): number {
    return this.queue.waitMs;
  }

  /** The models of all workers, each once, in the order of their names; those of workers that are away too. */
  models(): ModelStatus[] {
    const byRef = new Map<string, ModelStatus>();
    for (const { models } of [...this.workers].sort((a, b) => Number(a.isUsable) - Number(b.isUsable)))
      for (const model of models) byRef.set(model.ref, model);
    return [...byRef.values()].sort((a, b) => a.ref.localeCompare(b.ref, "en", { numeric: true }));
  }

  /** Workers that can take requests for a model now. */
  workersOf(ref: string): WorkerLink[] {
    return this.workers.filter((link) => link.isUsable && link.has(ref));
  }

  /**
   * Runs a call on a worker that has the model. What a worker left unanswered is sent to another, within the budget of
   * retries and the deadline.
   * @throws OverloadError, TesseraeError with code deadline, interrupted or unavailable, and the worker's own errors.
   */
  async call<T>(
    ref: string,
    { cost, signal, deadlineMs = defaultDeadlineMs, mayRepeat = () => true }: CallOptions,
    work: Work<T>,
  ): Promise<T> {
    const dueMs = performance.now() + deadlineMs;
    const caller = signal ?? new AbortController().signal;
    const tried = new Set<WorkerLink>();
    this.budget.request();
    for (let attempt = 1; ; attempt++) {
      if (!this.isServed(ref)) await this.untilServed(ref, caller, dueMs);
      const link = await this.queue.enter({ ref, cost, tried, signal: caller, dueMs });
      try {
        const result = await link.call(cost, caller, (calling) =>
          work(link.client, { signal: calling, deadlineMs: Math.max(1, dueMs - performance.now()) }),
        );
        this.queue.answered(cost);
        return result;
      } catch (error) {
        tried.add(link);
        const isOver = caller.aborted || performance.now() >= dueMs || attempt === maxAttempts;
        const isWorth = isLoss(error) || (isRefusal(error) && this.isElsewhere(ref, tried));
        if (isOver || !isWorth || !mayRepeat() || !this.budget.take()) throw error;
        this.retries++;
      }
    }
  }

  /** Stops looking and probing, and ends all connections once their calls are answered. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    await Promise.all(this.workers.map((link) => this.drop(link)));
  }

  private async discover(): Promise<void> {
    try {
      this.adopt(await this.options.discover());
    } catch (error) {
      this.options.tell(`discovery failed, the workers known stay: ${(error as Error).message}`);
    }
    if (!this.isClosed) this.timer = setTimeout(() => void this.discover(), discoverEveryMs).unref();
  }

  private adopt(addresses: readonly string[]): void {
    for (const address of addresses.filter((found) => !this.links.has(found))) {
      const link = new WorkerLink(address, this.options.connect(address), () => this.queue.admit());
      this.links.set(address, link);
      if (this.timer) void link.probe(); // the first ones are awaited by start
    }
    for (const [address, link] of this.links) {
      if (addresses.includes(address)) continue;
      this.links.delete(address);
      void this.drop(link);
    }
  }

  private async drop(link: WorkerLink): Promise<void> {
    await link.drained(drainMs);
    link.close();
  }

  /** A worker with room: one that is well, or for want of those one that may only be slow. */
  private pick({ ref, cost, tried }: Ticket<WorkerLink>): WorkerLink | undefined {
    const able = this.workers.filter((link) => link.has(ref));
    const fresh = able.filter((link) => !tried.has(link));
    const usable = (fresh.length > 0 ? fresh : able).filter(({ isUsable }) => isUsable);
    const members = usable.length > 0 ? usable : able.filter(({ isSuspect }) => isSuspect);
    return takeOfTwo(
      members,
      ({ load }) => load,
      ({ limit }) => limit.enter(cost),
    );
  }

  private isElsewhere(ref: string, tried: ReadonlySet<WorkerLink>): boolean {
    return this.workersOf(ref).some((link) => !tried.has(link));
  }

  private isServed(ref: string): boolean {
    return this.workers.some((link) => link.has(ref) && (link.isUsable || link.isSuspect));
  }

  /** Resolves when a worker serves the model. @throws RuntimeFailure, code unavailable, when none comes soon enough. */
  private async untilServed(ref: string, signal: AbortSignal, dueMs: number): Promise<void> {
    const endMs = Math.min(dueMs, performance.now() + patienceMs);
    if (this.stranded >= this.options.maxQueue)
      throw new OverloadError(`model ${ref}: too many requests wait for a worker; retry later`, 5);
    this.stranded++;
    try {
      while (!this.isServed(ref)) {
        if (signal.aborted || performance.now() >= endMs) {
          const message = `model ${ref}: no worker that has it answers now; retry later`;
          throw new RuntimeFailure(message, { code: "unavailable" });
        }
        await sleep(pollMs);
      }
    } finally {
      this.stranded--;
    }
  }
}

const hasCode = (error: unknown, codes: readonly ErrorCode[]): boolean =>
  error instanceof TesseraeError && codes.includes(error.code);

/** The worker went away with the request; any worker may answer it, that one too when it is back. */
const isLoss = (error: unknown): boolean => hasCode(error, ["interrupted", "unavailable"]);

/** The worker did not want it or could not do it, for reasons that need not be another's. */
const isRefusal = (error: unknown): boolean =>
  hasCode(error, ["overloaded", "runtime", "weight", "not_found"]);
