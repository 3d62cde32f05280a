/** On what terms an input waits for its batch. */

import { RuntimeFailure } from "../errors.ts";

/** Under load, high gets four times the share of normal, and normal four times that of low. */
export type Priority = "high" | "normal" | "low";

export interface BatchOrder {
  /** Aborts when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds since 1970 after which the answer is of no use; default: it always is. */
  readonly deadline?: number | undefined;
  /** Default "normal". */
  readonly priority?: Priority | undefined;
  /** On whose behalf; tenants share a model fairly. Default: all are one. */
  readonly tenant?: string | undefined;
}

/** @throws RuntimeFailure, code interrupted, when nobody waits any more. */
export function assertWanted({ signal }: BatchOrder): void {
  if (signal?.aborted) throw cancelled();
}

export const cancelled = (): RuntimeFailure =>
  new RuntimeFailure("predict: the caller went away", { code: "interrupted" });

export const tooLate = (): RuntimeFailure =>
  new RuntimeFailure("predict: the deadline passes before this is computed; allow more time or retry later", {
    code: "deadline",
  });
