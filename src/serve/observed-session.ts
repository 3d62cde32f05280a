/** A session that reports what it computes, for metrics and to learn what batches cost. */

import type { Feeds, RunOptions, Session } from "../runtime/session.ts";
import type { BatchShape } from "../tasks/batch-cost.ts";

/** What one run of a session computed; rows from however many requests. */
export interface BatchRecord extends BatchShape {
  /** Tokens without padding; of pictures there are none. */
  readonly tokens: number;
  /** Time in which this batch alone was computed; runs that wait for another one do not count it twice. */
  readonly computeMs: number;
}

/** The same session with `onBatch` told of every run that succeeds. */
export function observed(session: Session, onBatch: (record: BatchRecord) => void): Session {
  let lastEndMs = 0;
  const run: Session["run"] = async (feeds, fetches, options?: RunOptions) => {
    const counts = countsOf(feeds);
    const startMs = performance.now();
    const outputs = await session.run(feeds, fetches, options);
    const endMs = performance.now();
    onBatch({ ...counts, computeMs: endMs - Math.max(startMs, lastEndMs) });
    lastEndMs = endMs;
    return outputs;
  };
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    provider: session.provider,
    run,
    profile: (by) => session.profile(by),
    release: () => session.release(),
  };
}

/** Attended positions count as tokens; without a mask all do. */
function countsOf(feeds: Feeds): Omit<BatchRecord, "computeMs"> {
  const [first] = Object.values(feeds);
  const isText = first?.dtype === "int64";
  const mask = feeds.attention_mask?.data;
  let tokens = mask || !isText ? 0 : first.size;
  for (let at = 0; at < (mask?.length ?? 0); at++) tokens += Number(mask![at]);
  return { rows: first?.shape[0] ?? 0, length: isText ? first.shape.at(-1)! : 1, tokens };
}
