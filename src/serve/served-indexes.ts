/** Indexes that a server searches, each with what can look closer at what was found. */

import { basename } from "node:path";
import { RequestError } from "../errors.ts";
import { RetrievalIndex } from "../retrieval/open-index.ts";
import { PairReranker } from "../retrieval/reranker.ts";
import type { SessionOptions } from "../runtime/session.ts";
import type { Catalog } from "../store/catalog.ts";
import { ImageTextMatcher } from "../tasks/image-text-matcher.ts";

export interface ServedIndex {
  readonly index: RetrievalIndex;
  readonly reranker?: PairReranker | undefined;
}

export interface IndexOptions {
  readonly catalog: Catalog;
  readonly session?: SessionOptions | undefined;
  /** A model that matches, for all indexes; default: an index's own model, where it can. */
  readonly matcher?: string | undefined;
}

export class ServedIndexes {
  private readonly byName = new Map<string, ServedIndex>();
  private matcher: ImageTextMatcher | undefined;

  private constructor() {}

  /**
   * `folders` are served under their last names.
   * @throws ConfigError when a folder holds no index, or a model is gone or no matcher; then none stays open.
   */
  static async open(
    folders: readonly string[],
    { catalog, session = {}, matcher }: IndexOptions,
  ): Promise<ServedIndexes> {
    const served = new ServedIndexes();
    try {
      if (matcher !== undefined)
        served.matcher = await ImageTextMatcher.open((await catalog.locate(matcher)).folder, session);
      for (const folder of folders)
        served.add(basename(folder), await RetrievalIndex.open(folder, { catalog, session }));
      return served;
    } catch (error) {
      await served.release();
      throw error;
    }
  }

  get size(): number {
    return this.byName.size;
  }

  /** @throws RequestError, code not_found, for a name that is not served. */
  get(name: string): ServedIndex {
    const served = this.byName.get(name);
    if (served) return served;
    const known = [...this.byName.keys()].join(", ") || "none";
    throw new RequestError(`index "${name}": is not served; known are ${known}`, { code: "not_found" });
  }

  /** Frees all. */
  async release(): Promise<void> {
    const indexes = [...this.byName.values()].map(({ index }) => index.release());
    await Promise.all([...indexes, this.matcher?.release()]);
  }

  private add(name: string, index: RetrievalIndex): void {
    const matcher = this.matcher ?? index.matcher;
    this.byName.set(name, { index, reranker: matcher && PairReranker.over(matcher, index.about.data) });
  }
}
