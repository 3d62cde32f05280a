/** How much may wait for one model, and how long that will take. */

import { OverloadError } from "./problem.ts";

/** Seconds a rejected caller is asked to wait before the speed of the model is known, and at most. */
const firstRetrySeconds = 1;
const maxRetrySeconds = 60;

export class Admission {
  /** Inputs that wait or are being computed. */
  queueLength = 0;
  /** Those among them that the model has. */
  private computing = 0;
  /** Running means of milliseconds: from a question to its answer, and that for each input before it. */
  private answerMs: number | undefined;
  private inputMs: number | undefined;

  constructor(
    private readonly name: string,
    private readonly maxQueue: number,
  ) {}

  /** Milliseconds from a question to its answer; undefined before the first. */
  get latencyMs(): number | undefined {
    return this.answerMs;
  }

  /** Milliseconds that a new input would wait. */
  get waitMs(): number {
    return (this.inputMs ?? 0) * this.computing;
  }

  /**
   * Lets inputs wait; the function returned says that they do no more. A request larger than the whole queue is let in
   * when nothing waits.
   * @throws OverloadError when too much waits, or more than can be computed by the deadline.
   */
  enter(count: number, deadlineMs = Number.POSITIVE_INFINITY): () => void {
    const { queueLength, maxQueue } = this;
    if (queueLength > 0 && queueLength + count > maxQueue)
      throw this.overload(`${queueLength} inputs wait already, at most ${maxQueue} may`);
    if (this.waitMs > deadlineMs)
      throw this.overload(
        `${queueLength} inputs wait already, too many to answer in ${Math.round(deadlineMs)} ms`,
      );
    this.queueLength += count;
    return () => {
      this.queueLength -= count;
    };
  }

  /** Learns from the time that the model takes for some inputs. */
  async timed<T>(count: number, work: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    this.computing += count;
    try {
      const result = await work();
      const ms = performance.now() - startMs;
      this.answerMs = runningMean(this.answerMs, ms);
      this.inputMs = runningMean(this.inputMs, ms / this.computing);
      return result;
    } finally {
      this.computing -= count;
    }
  }

  private overload(reason: string): OverloadError {
    const seconds = Math.max(firstRetrySeconds, Math.ceil(this.waitMs / 1000));
    return new OverloadError(
      `model ${this.name}: ${reason}; retry later`,
      Math.min(maxRetrySeconds, seconds),
    );
  }
}

const runningMean = (mean: number | undefined, value: number): number =>
  mean === undefined ? value : 0.9 * mean + 0.1 * value;
