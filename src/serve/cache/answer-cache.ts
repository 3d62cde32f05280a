/**
 * Answers that are kept, and questions under way that are computed once for all who ask them.
 *
 *     const cache = openCache({ redisUrl: "redis://localhost" });
 *     const answer = await cache.answer(answerKey(model, question), (signal) => compute(question, signal));
 */

import { TesseraeError } from "../../errors.ts";
import { cancelled } from "../../tasks/batch-order.ts";
import { decodeAnswer, encodeAnswer } from "./answer-codec.ts";
import { type AnswerStore, MemoryStore } from "./answer-store.ts";
import { RedisStore } from "./redis-store.ts";

export interface CacheOptions {
  /** Bytes of answers kept in this process; default 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** Where answers are kept beside; see `RedisOptions`. */
  readonly redisUrl?: string | undefined;
  /** Seconds for which Redis keeps an answer; default a day. */
  readonly ttlSeconds?: number | undefined;
}

/** How a question was answered: by a store, by a computation under way, or by one of its own. */
export type CacheOutcome = "hit" | "joined" | "miss";

/** A computation and those who wait for it. */
interface Flight {
  readonly result: Promise<Uint8Array>;
  readonly stop: AbortController;
  waiting: number;
}

const defaultMaxBytes = 64 * 2 ** 20;

/** A cache in this process, and in Redis where its address is given. */
export function openCache({
  maxBytes = defaultMaxBytes,
  redisUrl,
  ttlSeconds,
}: CacheOptions = {}): AnswerCache {
  const stores: AnswerStore[] = [new MemoryStore(maxBytes)];
  if (redisUrl) stores.push(new RedisStore({ url: redisUrl, ...(ttlSeconds && { ttlSeconds }) }));
  return new AnswerCache(stores);
}

export class AnswerCache {
  /** Questions so far, by how they were answered. */
  readonly counts: Record<CacheOutcome, number> = { hit: 0, joined: 0, miss: 0 };
  private readonly flights = new Map<string, Flight>();

  /** `stores` are asked in their order. */
  constructor(private readonly stores: readonly AnswerStore[]) {}

  /**
   * The answer that is kept under a key, or that `compute` gives; the same value for all who ask while it is computed. The
   * signal given to `compute` aborts when nobody waits any more.
   * @throws what `compute` throws; RuntimeFailure, code interrupted, when `signal` aborts.
   */
  async answer(
    key: string,
    compute: (signal: AbortSignal) => Promise<unknown>,
    signal?: AbortSignal,
  ): Promise<unknown> {
    for (;;) {
      const known = this.flights.get(key);
      const flight = known ?? this.begin(key, compute);
      if (known) this.counts.joined++;
      try {
        return decodeAnswer(await this.join(key, flight, signal));
      } catch (error) {
        // Another's deadline or end is no answer to this caller.
        if (!known || signal?.aborted || !isAnothersEnd(error)) throw error;
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.stores.map((store) => store.close()));
  }

  private begin(key: string, compute: (signal: AbortSignal) => Promise<unknown>): Flight {
    const stop = new AbortController();
    const result = this.find(key, () => compute(stop.signal));
    const flight: Flight = { result, stop, waiting: 0 };
    this.flights.set(key, flight);
    const end = (): void => {
      if (this.flights.get(key) === flight) this.flights.delete(key);
    };
    result.then(end, end);
    return flight;
  }

  private async find(key: string, compute: () => Promise<unknown>): Promise<Uint8Array> {
    for (const [at, store] of this.stores.entries()) {
      const kept = await store.get(key);
      if (!kept || !isReadable(kept)) continue;
      this.counts.hit++;
      this.keep(key, kept, this.stores.slice(0, at));
      return kept;
    }
    this.counts.miss++;
    const answer = encodeAnswer(await compute());
    this.keep(key, answer, this.stores);
    return answer;
  }

  private keep(key: string, answer: Uint8Array, stores: readonly AnswerStore[]): void {
    for (const store of stores) void store.set(key, answer);
  }

  /** Waits for a flight unless `signal` aborts; the last to leave ends it. */
  private async join(key: string, flight: Flight, signal: AbortSignal | undefined): Promise<Uint8Array> {
    flight.waiting++;
    let leave: () => void = () => undefined;
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(cancelled());
    });
    if (signal?.aborted) leave();
    signal?.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([flight.result, left]);
    } finally {
      signal?.removeEventListener("abort", leave);
      flight.waiting--;
      if (flight.waiting === 0) {
        if (this.flights.get(key) === flight) this.flights.delete(key);
        flight.stop.abort();
      }
    }
  }
}

/** What another program wrote under the key is no answer. */
function isReadable(kept: Uint8Array): boolean {
  try {
    decodeAnswer(kept);
    return true;
  } catch {
    return false;
  }
}

const isAnothersEnd = (error: unknown): boolean =>
  error instanceof TesseraeError && (error.code === "deadline" || error.code === "interrupted");
