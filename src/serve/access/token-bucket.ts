/** How much may pass in a time: a bucket that fills steadily and is emptied by what passes. */

export class TokenBucket {
  private level: number;
  private atMs: number;

  /** Fills with `perSecond` up to `capacity`; full at first. `nowMs` as of performance.now(). */
  constructor(
    private readonly perSecond: number,
    private readonly capacity: number,
    nowMs: number,
  ) {
    this.level = capacity;
    this.atMs = nowMs;
  }

  /**
   * Takes an amount. Returns 0, or the seconds after which it would be there, in which case nothing was taken. What is
   * larger than the bucket passes when it is full, and is paid for later.
   */
  take(amount: number, nowMs: number): number {
    this.level = Math.min(this.capacity, this.level + ((nowMs - this.atMs) / 1000) * this.perSecond);
    this.atMs = nowMs;
    const needed = Math.min(amount, this.capacity);
    if (this.level < needed) return (needed - this.level) / this.perSecond;
    this.level -= amount;
    return 0;
  }
}
