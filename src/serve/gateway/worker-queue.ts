/** Requests that wait for a worker with room: a bounded queue per model, first come first served. */

import { TesseraeError } from "../../errors.ts";
import { OverloadError } from "../problem.ts";

/** What waits, and how long it may. */
export interface Ticket<Link> {
  readonly ref: string;
  /** Inputs. */
  readonly cost: number;
  /** Workers that failed it already. */
  readonly tried: ReadonlySet<Link>;
  readonly signal: AbortSignal;
  /** As of performance.now(). */
  readonly dueMs: number;
}

interface Waiting<Link> {
  readonly ticket: Ticket<Link>;
  readonly resolve: (link: Link) => void;
}

/** Milliseconds over which the rate of answers is averaged. */
const rateWindowMs = 2000;

export class WorkerQueue<Link> {
  private readonly waiting = new Map<string, Waiting<Link>[]>();
  private queued = 0;
  /** Inputs answered per millisecond, a running mean. */
  private rate = 0;
  private rateAtMs = performance.now();

  /** `pick` finds a worker with room and enters the ticket's inputs there. `maxQueue` inputs may wait. */
  constructor(
    private readonly pick: (ticket: Ticket<Link>) => Link | undefined,
    private readonly maxQueue: number,
  ) {}

  /** Inputs that wait. */
  get length(): number {
    return this.queued;
  }

  /** Milliseconds until a new request would have its turn; 0 when nothing waits. */
  get waitMs(): number {
    return this.queued === 0 || this.rate === 0 ? 0 : this.queued / this.rate;
  }

  /**
   * A worker with room for the ticket, now or in its turn.
   * @throws OverloadError when too much waits, or longer than the ticket may; TesseraeError, code deadline or
   * interrupted, when its time or its caller goes while it waits.
   */
  async enter(ticket: Ticket<Link>): Promise<Link> {
    const link = this.waiting.has(ticket.ref) ? undefined : this.pick(ticket);
    if (link !== undefined) return link;
    this.assertRoom(ticket);
    return this.wait(ticket);
  }

  /** Counts inputs as answered. */
  answered(cost: number): void {
    const nowMs = performance.now();
    const elapsedMs = nowMs - this.rateAtMs;
    const keep = Math.exp(-elapsedMs / rateWindowMs);
    this.rate = this.rate * keep + cost / rateWindowMs;
    this.rateAtMs = nowMs;
  }

  /** Lets in those that have a worker now; call it when one may have room. */
  admit(): void {
    for (const [ref, line] of this.waiting) {
      while (line.length > 0) {
        const { ticket, resolve } = line[0]!;
        const link = this.pick(ticket);
        if (link === undefined) break;
        line.shift();
        this.queued -= ticket.cost;
        resolve(link);
      }
      if (line.length === 0) this.waiting.delete(ref);
    }
  }

  private assertRoom({ ref, cost, dueMs }: Ticket<Link>): void {
    const leftMs = dueMs - performance.now();
    const retrySeconds = Math.min(60, Math.max(1, Math.ceil(this.waitMs / 1000)));
    if (this.queued > 0 && this.queued + cost > this.maxQueue) {
      throw new OverloadError(
        `model ${ref}: ${this.queued} inputs wait for a worker, at most ${this.maxQueue} may; retry later`,
        retrySeconds,
      );
    }
    if (this.waitMs > leftMs) {
      throw new OverloadError(
        `model ${ref}: a worker has room in ${Math.ceil(this.waitMs)} ms, the deadline is in ${Math.floor(leftMs)} ms; retry later`,
        retrySeconds,
      );
    }
  }

  private wait(ticket: Ticket<Link>): Promise<Link> {
    const line = this.waiting.get(ticket.ref) ?? [];
    this.waiting.set(ticket.ref, line);
    this.queued += ticket.cost;
    return new Promise((resolve, reject) => {
      const leave = (error: TesseraeError): void => {
        line.splice(line.indexOf(waiting), 1);
        if (line.length === 0) this.waiting.delete(ticket.ref);
        this.queued -= ticket.cost;
        stop();
        reject(error);
      };
      const onAbort = (): void => leave(new TesseraeError("interrupted", "predict: the caller went away"));
      const late = `model ${ticket.ref}: no worker had room before the deadline`;
      const timer = setTimeout(
        () => leave(new TesseraeError("deadline", late)),
        Math.max(0, ticket.dueMs - performance.now()),
      );
      const stop = (): void => {
        clearTimeout(timer);
        ticket.signal.removeEventListener("abort", onAbort);
      };
      ticket.signal.addEventListener("abort", onAbort, { once: true });
      const waiting: Waiting<Link> = {
        ticket,
        resolve: (link) => {
          stop();
          resolve(link);
        },
      };
      line.push(waiting);
    });
  }
}
