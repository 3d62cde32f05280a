/** When a caller gives up: it went away, or its deadline passed. */

import { cancelled, tooLate } from "../tasks/batch-order.ts";

export class GiveUp {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout | undefined;
  private readonly onAbort = (): void => this.controller.abort(cancelled());

  /** `deadlineMs` is from now. Call `end` when there is nothing to give up any more. */
  constructor(
    private readonly caller: AbortSignal | undefined,
    deadlineMs: number | undefined,
  ) {
    const onDeadline = (): void => this.controller.abort(tooLate());
    if (deadlineMs !== undefined && deadlineMs <= 0) onDeadline();
    else if (deadlineMs !== undefined) this.timer = setTimeout(onDeadline, deadlineMs);
    caller?.addEventListener("abort", this.onAbort, { once: true });
    if (caller?.aborted) this.onAbort();
  }

  /** Aborts when the caller gives up; its reason is the error to be thrown then. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The result of `work`. @throws RuntimeFailure, code interrupted or deadline, as soon as the caller gives up. */
  async race<T>(work: Promise<T>): Promise<T> {
    let stop: () => void = () => undefined;
    const gone = new Promise<never>((_, reject) => {
      stop = () => reject(this.signal.reason);
    });
    if (this.signal.aborted) stop();
    this.signal.addEventListener("abort", stop, { once: true });
    try {
      return await Promise.race([work, gone]);
    } finally {
      this.signal.removeEventListener("abort", stop);
    }
  }

  end(): void {
    clearTimeout(this.timer);
    this.caller?.removeEventListener("abort", this.onAbort);
  }
}
