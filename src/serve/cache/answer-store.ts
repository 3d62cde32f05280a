/** Where answers are kept, by key; a store may forget any of them at any time, and never fails. */

import { LRUCache } from "lru-cache";

export interface AnswerStore {
  readonly name: string;
  get(key: string): Promise<Uint8Array | undefined>;
  /** Resolves when it is kept, or when it is known that it will not be. */
  set(key: string, answer: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** About what an entry takes beside its answer. */
const entryBytes = 200;

/** In this process; the least recently used are forgotten when all together exceed `maxBytes`. */
export class MemoryStore implements AnswerStore {
  readonly name = "memory";
  private readonly answers: LRUCache<string, Uint8Array>;

  constructor(maxBytes: number) {
    this.answers = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: ({ length }) => length + entryBytes,
    });
  }

  /** Bytes that are taken. */
  get sizeBytes(): number {
    return this.answers.calculatedSize;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.answers.get(key);
  }

  async set(key: string, answer: Uint8Array): Promise<void> {
    this.answers.set(key, answer);
  }

  async close(): Promise<void> {
    this.answers.clear();
  }
}
