/** Lets work begin in order, a bounded amount at a time; what still waits can be dropped. */

import { RuntimeFailure } from "../errors.ts";

interface Waiting {
  readonly cost: number;
  readonly begin: () => void;
  readonly reject: (error: RuntimeFailure) => void;
  readonly signal: AbortSignal;
}

export class Gate {
  private readonly waiting: Waiting[] = [];
  private underWay = 0;

  /** Work begins while what is under way costs less than `limit`. */
  constructor(private readonly limit: number) {}

  /** The result of `work`, begun in its turn. @throws RuntimeFailure, code interrupted, when `signal` aborts before. */
  async run<T>(cost: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((resolve, reject) => {
      this.waiting.push({ cost, begin: resolve, reject, signal });
      this.admit();
    });
    try {
      return await work();
    } finally {
      this.underWay -= cost;
      this.admit();
    }
  }

  private admit(): void {
    while (this.underWay < this.limit) {
      const next = this.waiting.shift();
      if (!next) return;
      if (next.signal.aborted) {
        next.reject(new RuntimeFailure("predict: the caller went away", { code: "interrupted" }));
      } else {
        this.underWay += next.cost;
        next.begin();
      }
    }
  }
}
