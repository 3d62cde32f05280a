/** Bounds retries to a share of the requests, so that trouble is not made worse by repeating it. */

/** Retries that may be made at once: what a worker that dies leaves unanswered, and a first failure after a pause. */
const reserve = 256;
/** A fifth of the requests may be repeated. */
const requestsPerRetry = 5;

export class RetryBudget {
  /** In requests. */
  private credit = reserve * requestsPerRetry;

  /** Counts a request, which earns its share of a retry. */
  request(): void {
    this.credit = Math.min(reserve * requestsPerRetry, this.credit + 1);
  }

  /** Whether one more retry may be made; it is counted as made. */
  take(): boolean {
    if (this.credit < requestsPerRetry) return false;
    this.credit -= requestsPerRetry;
    return true;
  }
}
