/** What a gateway believes of one worker: from probes, which find the dead and the hung, and from how its calls end. */

/** Probes in a row without an answer after which a worker counts as hung; one alone may be a busy moment. */
const hungAfterMisses = 2;
/** Calls in a row that fail for no fault of their own, after which a worker is set aside. */
const ejectAfterFailures = 5;
const firstEjectionMs = 1000;
const longestEjectionMs = 30_000;

export class WorkerHealth {
  private state: "unknown" | "ready" | "closing" | "hung" | "gone" = "unknown";
  private misses = 0;
  private failures = 0;
  private ejections = 0;
  private ejectedUntilMs = 0;

  /** May be sent requests. `nowMs` as of performance.now(), here and below. */
  isUsable(nowMs: number): boolean {
    return this.state === "ready" && nowMs >= this.ejectedUntilMs;
  }

  /** Did not answer in time, but may only be slow: better than no worker at all. */
  isSuspect(nowMs: number): boolean {
    return this.state === "hung" || (this.state === "ready" && nowMs < this.ejectedUntilMs);
  }

  /** In a word, for people. */
  describe(nowMs: number): string {
    return this.state === "ready" && nowMs < this.ejectedUntilMs ? "ejected" : this.state;
  }

  probeAnswered(isReady: boolean): void {
    this.misses = 0;
    this.state = isReady ? "ready" : "closing";
  }

  /** No answer in time. Returns whether this is what makes it count as hung. */
  probeMissed(): boolean {
    this.misses++;
    if (this.state === "hung" || this.misses < hungAfterMisses) return false;
    this.state = "hung";
    return true;
  }

  /** No connection: nobody is there. */
  probeRefused(): void {
    this.state = "gone";
  }

  callSucceeded(): void {
    this.failures = 0;
    this.ejections = 0;
  }

  /** Sets it aside after too many failures in a row, longer each time. */
  callFailed(nowMs: number): void {
    if (++this.failures < ejectAfterFailures) return;
    this.failures = 0;
    this.ejectedUntilMs = nowMs + Math.min(longestEjectionMs, firstEjectionMs * 2 ** this.ejections++);
  }
}
