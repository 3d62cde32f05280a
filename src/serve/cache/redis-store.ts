/** Answers in Redis, shared by servers and kept when they restart. A Redis that is down or slow costs time, no answer. */

import { createClient, RESP_TYPES } from "redis";
import type { AnswerStore } from "./answer-store.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";

export interface RedisOptions {
  /** `redis://[[user]:password@]host[:port][/database]`, `rediss://` with TLS. */
  readonly url: string;
  /** Seconds until an answer is forgotten, up to a tenth more or less so that not all go at once; default a day. */
  readonly ttlSeconds?: number;
  /** Most time of one command; default 50 ms. */
  readonly timeoutMs?: number;
}

const keyPrefix = "tesserae:answer:";
const daySeconds = 86_400;
/** A connection on which nothing came for this long is dead; a ping comes three times as often. */
const silenceMs = 3000;
const maxReconnectMs = 2000;

export class RedisStore implements AnswerStore {
  readonly name = "redis";
  private readonly client;
  private readonly breaker: CircuitBreaker;
  private readonly ttlSeconds: number;

  /** Connects in the background, and again whenever the connection is lost. */
  constructor({ url, ttlSeconds = daySeconds, timeoutMs = 50 }: RedisOptions) {
    this.ttlSeconds = ttlSeconds;
    this.breaker = new CircuitBreaker({ timeoutMs });
    this.client = createClient({
      url,
      disableOfflineQueue: true,
      maintNotifications: "disabled",
      pingInterval: silenceMs / 3,
      socket: {
        connectTimeout: 1000,
        socketTimeout: silenceMs,
        reconnectStrategy: (retries) => Math.min(maxReconnectMs, 50 * 2 ** retries),
      },
    }).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    this.client.on("error", () => undefined); // calls tell that it is down
    this.client.connect().catch(() => undefined);
  }

  /** Whether it is left alone for now. */
  get isDown(): boolean {
    return this.breaker.isOpen;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.breaker.run(() => this.client.get(keyPrefix + key))) ?? undefined;
  }

  async set(key: string, answer: Uint8Array): Promise<void> {
    const ttlMs = Math.round(this.ttlSeconds * 1000 * (0.9 + 0.2 * Math.random()));
    await this.breaker.run(() =>
      this.client.set(keyPrefix + key, Buffer.from(answer), { expiration: { type: "PX", value: ttlMs } }),
    );
  }

  async close(): Promise<void> {
    this.client.destroy();
  }
}
