/**
 * An adaptive limit on what is under way at one worker: additive increase, multiplicative decrease (Chiu and Jain 1989,
 * https://doi.org/10.1016/0169-7552(89)90019-6), the rule by which TCP connections, and here gateways that know nothing of
 * each other, come to share a bottleneck fairly.
 */

/** How a call ended, as far as it says something about load. */
export type LoadSign = "ok" | "overloaded" | "ignored";

const initialLimit = 32;
/** At least one batch may always be under way. */
const minLimit = 8;
const maxLimit = 1024;
const decrease = 0.8;
/** An answer slower than this many milliseconds says that too much waits. */
const slowMs = 1000;

export class ConcurrencyLimit {
  private limit = initialLimit;
  private underWay = 0;
  private lastDecreaseMs = Number.NEGATIVE_INFINITY;

  /** What is under way now, in inputs. */
  get outstanding(): number {
    return this.underWay;
  }

  /** The present limit, in inputs. */
  get current(): number {
    return Math.floor(this.limit);
  }

  /** Counts `cost` inputs as under way unless that is too many; more than the limit fits only when nothing else is. */
  enter(cost: number): boolean {
    if (this.underWay > 0 && this.underWay + cost > this.limit) return false;
    this.underWay += cost;
    return true;
  }

  /** Counts inputs as done, and learns from how they went. `nowMs` as of performance.now(). */
  leave(cost: number, sign: LoadSign, durationMs: number, nowMs: number): void {
    const wasFull = this.underWay >= this.limit / 2;
    this.underWay -= cost;
    if (sign === "ignored") return;
    if (sign === "ok" && durationMs < slowMs) {
      // One more for each limit's worth of answers, only while the limit is what holds requests back.
      if (wasFull) this.limit = Math.min(maxLimit, this.limit + cost / this.limit);
    } else if (nowMs - this.lastDecreaseMs > durationMs) {
      // Answers to what was sent before the last decrease tell nothing new.
      this.limit = Math.max(minLimit, this.limit * decrease);
      this.lastDecreaseMs = nowMs;
    }
  }
}
