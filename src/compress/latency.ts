/** Time per run of two models on the same feeds, taking turns, so that what else the machine does disturbs both. */

import type { Feeds, Session } from "../runtime/session.ts";

/** Median milliseconds of each session; every feed is run `turns` times after one run to warm up. */
export async function compareLatency(
  sessions: readonly Session[],
  feeds: readonly Feeds[],
  turns: number,
): Promise<number[]> {
  const times: number[][] = sessions.map(() => []);
  for (let turn = -1; turn < turns; turn++) {
    for (const feed of feeds) {
      for (const [at, session] of sessions.entries()) {
        const start = performance.now();
        await session.run(feed);
        if (turn >= 0) times[at]!.push(performance.now() - start);
      }
    }
  }
  return times.map((own) => own.sort((a, b) => a - b)[own.length >> 1]!);
}
