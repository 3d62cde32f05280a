/** The highest rate that a server holds: doubled until it fails, then halved in between. */

import type { LoadResult } from "./run.ts";

export interface RateGoal {
  /** Milliseconds within which 99 of 100 requests must be answered. */
  readonly p99Ms: number;
  /** Share of requests that may be refused or fail; default 0.001. */
  readonly maxLoss?: number;
  /** Requests per second to begin with; default 4. */
  readonly firstRate?: number;
  /** The search ends when the rates that hold and fail differ by this share; default 0.05. */
  readonly precision?: number;
  /** Trials of a rate that does not hold before it counts as failed, since other work spoils a short one; default 1. */
  readonly attempts?: number;
}

export interface RateTrial {
  readonly rate: number;
  readonly holds: boolean;
  readonly result: LoadResult;
}

/** Rates beyond this are not a server's but the generator's. */
const maxRate = 100_000;

/** Runs trials until the rate is known; the best trial that held is undefined where none did. */
export async function findRate(
  trial: (rate: number) => Promise<LoadResult>,
  { p99Ms, maxLoss = 0.001, firstRate = 4, precision = 0.05, attempts = 1 }: RateGoal,
): Promise<{ best: RateTrial | undefined; trials: RateTrial[] }> {
  const trials: RateTrial[] = [];
  let best: RateTrial | undefined;
  let failedRate = Number.POSITIVE_INFINITY;
  let rate = firstRate;
  while (rate >= 0.5 && rate <= maxRate) {
    let done: RateTrial | undefined;
    for (let attempt = 0; attempt < attempts && !done?.holds; attempt++) {
      const result = await trial(rate);
      const lost = result.sent === 0 ? 1 : 1 - result.answered / result.sent;
      done = { rate, holds: result.latencyMs.p99 <= p99Ms && lost <= maxLoss, result };
      trials.push(done);
    }
    if (done?.holds) best = done;
    else failedRate = rate;
    if (best && failedRate / best.rate <= 1 + precision) break;
    rate = nextRate(best?.rate, failedRate);
  }
  return { best, trials };
}

function nextRate(held: number | undefined, failed: number): number {
  if (held === undefined) return failed / 2;
  return failed === Number.POSITIVE_INFINITY ? held * 2 : Math.sqrt(held * failed);
}
