/** Sessions of a picture model at other sizes than it was trained at: a graph of each size over the same weights. */

import { LRUCache } from "lru-cache";
import type { Session } from "../runtime/session.ts";

/** Sizes whose sessions are kept; bounds the memory that callers can take. */
const keptSizes = 2;

interface SizedSession {
  readonly session: Promise<Session>;
  users: number;
  isDropped: boolean;
}

/** [height, width] in pixels. */
export type ImageSides = readonly [number, number];

export class SizedSessions {
  private readonly kept = new LRUCache<string, SizedSession>({
    max: keptSizes,
    dispose: (sized) => {
      sized.isDropped = true;
      releaseUnused(sized);
    },
  });

  /** `open` makes the session of a size. */
  constructor(private readonly open: (size: ImageSides) => Promise<Session>) {}

  /** What `work` makes of the session of a size, which stays open until then. @throws ConfigError for a size that the model cannot read. */
  async use<T>(size: ImageSides, work: (session: Session) => Promise<T>): Promise<T> {
    const key = size.join();
    const sized = this.kept.get(key) ?? { session: this.open(size), users: 0, isDropped: false };
    sized.users++;
    this.kept.set(key, sized);
    try {
      return await work(await sized.session);
    } catch (error) {
      await sized.session.catch(() => this.kept.peek(key) === sized && this.kept.delete(key));
      throw error;
    } finally {
      sized.users--;
      releaseUnused(sized);
    }
  }

  async release(): Promise<void> {
    const sessions = [...this.kept.values()].map(({ session }) => session);
    this.kept.clear();
    await Promise.allSettled(sessions.map(async (session) => (await session).release()));
  }
}

function releaseUnused({ session, users, isDropped }: SizedSession): void {
  if (!isDropped || users > 0) return;
  void session.then(
    (open) => open.release(),
    () => undefined, // its callers were told
  );
}
