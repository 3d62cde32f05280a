/** Keeps calls from waiting for a service that is down: after some failures it is left alone, then tried now and then. */

import { setTimeout as sleep } from "node:timers/promises";

export interface BreakerOptions {
  /** Most time of one call. */
  readonly timeoutMs: number;
  /** Failures in a row after which calls are not tried; default 3. */
  readonly maxFailures?: number;
  /** Time until one call tries again, doubled with every failure up to 64 times; default 500 ms. */
  readonly restMs?: number;
}

export class CircuitBreaker {
  private failures = 0;
  private restsUntil = 0;
  private isTrying = false;

  constructor(private readonly options: BreakerOptions) {}

  /** Whether calls are not tried now. */
  get isOpen(): boolean {
    return this.failures >= this.maxFailures;
  }

  /** The result of `work`, or undefined when it fails, takes too long or is not tried. */
  async run<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.isOpen && (this.isTrying || performance.now() < this.restsUntil)) return undefined;
    this.isTrying = true;
    try {
      const result = await this.inTime(work());
      this.failures = 0;
      return result;
    } catch {
      this.fail();
      return undefined;
    } finally {
      this.isTrying = false;
    }
  }

  private get maxFailures(): number {
    return this.options.maxFailures ?? 3;
  }

  private fail(): void {
    this.failures++;
    if (!this.isOpen) return;
    const doublings = Math.min(6, this.failures - this.maxFailures);
    this.restsUntil = performance.now() + (this.options.restMs ?? 500) * 2 ** doublings;
  }

  /** @throws what `work` throws, or Error when it takes too long. */
  private async inTime<T>(work: Promise<T>): Promise<T> {
    const timer = new AbortController();
    const tooLong = sleep(this.options.timeoutMs, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`took longer than ${this.options.timeoutMs} ms`);
    });
    try {
      return await Promise.race([work, tooLong]);
    } finally {
      timer.abort();
      tooLong.catch(() => undefined);
      work.catch(() => undefined);
    }
  }
}
