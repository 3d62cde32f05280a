/** The keys that a server takes: who asks, and whether that is allowed now. */

import { timingSafeEqual } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { RequestError } from "../../errors.ts";
import { OverloadError } from "../problem.ts";
import { type ApiKey, hashOf, readKeys, type Scope } from "./key-file.ts";
import { TokenBucket } from "./token-bucket.ts";

interface Held {
  readonly key: ApiKey;
  readonly hash: Buffer;
  readonly requests: TokenBucket | undefined;
  readonly tokens: TokenBucket | undefined;
}

/** Seconds of requests that may come at once. */
const burstSeconds = 2;
/** Compared where no key has the id, so that both cases take the same time. */
const nobody = Buffer.alloc(32);

export class KeyRing {
  private held = new Map<string, Held>();
  private watcher: FSWatcher | undefined;

  constructor(keys: readonly ApiKey[]) {
    this.set(keys);
  }

  /** Keys of a file, read again when it changes. @throws ConfigError as `readKeys`. */
  static async watch(path: string, tell: (message: string) => void): Promise<KeyRing> {
    const ring = new KeyRing(await readKeys(path));
    const reload = async (): Promise<void> => {
      try {
        ring.set(await readKeys(path));
      } catch (error) {
        tell(`${(error as Error).message}; the keys before stay`);
      }
    };
    // The folder is watched, since the file is replaced by rename.
    ring.watcher = watch(dirname(resolve(path)), { persistent: false }, (_, name) => {
      if (name === basename(path) || name === "..data") void reload();
    });
    return ring;
  }

  /** Takes these keys from now on; those that stay keep what they have used. */
  set(keys: readonly ApiKey[]): void {
    const nowMs = performance.now();
    const before = this.held;
    this.held = new Map(keys.map((key) => [key.id, heldOf(key, before.get(key.id), nowMs)]));
  }

  /**
   * The key that was given, and one request taken from what it may send.
   * @throws RequestError, code unauthorized or forbidden; OverloadError when it sends too many.
   */
  admit(text: string | undefined, scope: Scope): ApiKey {
    const held = this.find(text);
    if (!held.key.scopes.includes(scope))
      throw new RequestError(`key ${held.key.id}: does not allow ${scope}; it allows ${held.key.scopes}`, {
        code: "forbidden",
      });
    const waitSeconds = held.requests?.take(1, performance.now()) ?? 0;
    if (waitSeconds > 0) {
      const { id, requestsPerSecond } = held.key;
      throw tooMuch(`key ${id}: may send ${requestsPerSecond} requests per second`, waitSeconds);
    }
    return held.key;
  }

  /** Takes tokens from a key's budget. @throws OverloadError when they are not there. */
  spend({ id, tokensPerMinute }: ApiKey, tokens: number): void {
    const waitSeconds = this.held.get(id)?.tokens?.take(tokens, performance.now()) ?? 0;
    if (waitSeconds > 0)
      throw tooMuch(`key ${id}: may use ${tokensPerMinute} tokens per minute`, waitSeconds);
  }

  close(): void {
    this.watcher?.close();
  }

  private find(text: string | undefined): Held {
    if (text === undefined)
      throw unauthorized("an API key is needed: send it as Authorization: Bearer or x-api-key");
    const held = this.held.get(/^tess_([0-9a-f]{8})_/.exec(text)?.[1] ?? "");
    const isSame = timingSafeEqual(hashOf(text), held?.hash ?? nobody);
    if (!held || !isSame) throw unauthorized("the API key is not known here");
    if (held.key.revokedAt !== undefined)
      throw unauthorized(`key ${held.key.id}: was revoked on ${held.key.revokedAt.slice(0, 10)}`);
    return held;
  }
}

function heldOf(key: ApiKey, before: Held | undefined, nowMs: number): Held {
  const { requestsPerSecond: rate, tokensPerMinute: budget } = key;
  const keepsRate = before !== undefined && before.key.requestsPerSecond === rate;
  const keepsBudget = before !== undefined && before.key.tokensPerMinute === budget;
  const requests =
    rate === undefined ? undefined : new TokenBucket(rate, Math.max(1, rate * burstSeconds), nowMs);
  const tokens = budget === undefined ? undefined : new TokenBucket(budget / 60, budget, nowMs);
  return {
    key,
    hash: Buffer.from(key.hash, "hex"),
    requests: keepsRate ? before.requests : requests,
    tokens: keepsBudget ? before.tokens : tokens,
  };
}

const unauthorized = (message: string): RequestError => new RequestError(message, { code: "unauthorized" });

const tooMuch = (message: string, seconds: number): OverloadError =>
  new OverloadError(`${message}; retry later`, Math.max(1, Math.ceil(seconds)));
