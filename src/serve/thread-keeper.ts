/** Keeps a model's thread running: started when first needed, and again when it died, each time after a longer pause. */

import { RuntimeFailure } from "../errors.ts";
import type { ModelThread } from "./model-thread.ts";

export type ThreadState = "idle" | "loading" | "ready" | "failed";

/** After the second death in a row; the first is followed by a start at once. Doubled with every further one. */
const firstPauseMs = 500;
const maxPauseMs = 30_000;
/** A thread that lived so long did not die of what its predecessors died of. */
const longLifeMs = 60_000;

export class ThreadKeeper {
  state: ThreadState = "idle";
  private current: Promise<ModelThread> | undefined;
  private deaths = 0;
  private startedAt = 0;
  private pausedUntil = 0;
  private restart: NodeJS.Timeout | undefined;
  private isStopped = false;

  /** `start` starts a thread that tells its death; `name` is for messages. */
  constructor(
    private readonly name: string,
    private readonly start: (onDeath: () => void) => Promise<ModelThread>,
  ) {}

  /**
   * The thread, which is started where there is none. After a start that failed, the next call tries again.
   * @throws what starting throws; RuntimeFailure, code unavailable, while it pauses between two deaths.
   */
  async get(): Promise<ModelThread> {
    if (!this.current) this.assertMayStart();
    this.current ??= this.startNow();
    return this.current;
  }

  /** Milliseconds until the thread may start again; 0 where it may now. */
  get pauseMs(): number {
    return Math.max(0, this.pausedUntil - performance.now());
  }

  /** Ends the thread, and starts none any more. */
  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.restart);
    const thread = await this.current?.catch(() => undefined);
    await thread?.stop();
    this.state = "idle";
  }

  private async startNow(): Promise<ModelThread> {
    this.state = "loading";
    this.startedAt = performance.now();
    try {
      const thread = await this.start(() => this.onDeath());
      this.state = "ready";
      return thread;
    } catch (error) {
      this.state = "failed";
      this.current = undefined;
      throw error;
    }
  }

  private assertMayStart(): void {
    if (this.pauseMs === 0) return;
    throw new RuntimeFailure(
      `model ${this.name}: its worker died ${this.deaths} times in a row and starts again in ${Math.ceil(this.pauseMs)} ms`,
      { code: "unavailable" },
    );
  }

  private onDeath(): void {
    this.current = undefined;
    this.state = "idle";
    this.deaths = performance.now() - this.startedAt > longLifeMs ? 1 : this.deaths + 1;
    const pauseMs = this.deaths === 1 ? 0 : Math.min(maxPauseMs, firstPauseMs * 2 ** (this.deaths - 2));
    this.pausedUntil = performance.now() + pauseMs;
    if (this.isStopped) return;
    // A timer may fire a little early.
    this.restart = setTimeout(() => void this.get().catch(() => undefined), pauseMs + 2).unref();
  }
}
