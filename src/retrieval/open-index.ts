/** An index that is asked: the model makes a vector of the question, a thread finds what is near it. */

import { ConfigError, RequestError } from "../errors.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { startThread, type Thread, workerUrl } from "../runtime/thread.ts";
import { Catalog } from "../store/catalog.ts";
import { type ImageOpener, type ImageSource, readPicture } from "../tasks/image-input.ts";
import type { ImageTextMatcher } from "../tasks/image-text-matcher.ts";
import { ImageDecoder } from "../vision/decode.ts";
import type { IndexAbout, IndexItem } from "./index-file.ts";
import { locateEncoder } from "./index-folder.ts";
import { openPairEncoder, type PairEncoder } from "./pair-encoder.ts";
import type { PairReranker } from "./reranker.ts";
import type { SearchApi } from "./search-worker.ts";

/** What to look for. */
export type SearchQuery = { readonly text: string } | { readonly image: ImageSource };

export interface Found {
  readonly source: string;
  /** Of an item that is a text. */
  readonly text?: string | undefined;
  /** Cosine with the question. */
  readonly score: number;
  /** Where a matcher looked closely: the probability that picture and text match. */
  readonly match?: number;
}

export interface SearchOptions {
  /** Default 10. */
  readonly topK?: number;
  /** Orders the best candidates again. */
  readonly reranker?: PairReranker | undefined;
  /** How many it looks at, from 1; those behind them stay as they are. Default: 32, or `topK` where that is more. */
  readonly candidates?: number | undefined;
  /** Ends the closer look when nobody waits for it any more. */
  readonly signal?: AbortSignal;
}

export interface OpenIndexOptions {
  readonly session?: SessionOptions | undefined;
  readonly catalog?: Catalog | undefined;
  /** Gets the bytes behind names of pictures; without it, only bytes and pixels are taken. */
  readonly openImage?: ImageOpener | undefined;
}

/** Candidates that a reranker looks at, at least, unless their number is given. */
const leastCandidates = 32;

export class RetrievalIndex {
  private readonly decoder: ImageDecoder;

  private constructor(
    readonly about: IndexAbout,
    readonly items: readonly IndexItem[],
    private readonly encoder: PairEncoder,
    private readonly thread: Thread<SearchApi>,
    private readonly openImage: ImageOpener | undefined,
  ) {
    this.decoder = new ImageDecoder({}, encoder.preprocessor.plan.background);
  }

  /** The model that made the vectors, where it can match pictures with texts, too. */
  get matcher(): ImageTextMatcher | undefined {
    return this.encoder.matcher;
  }

  /** @throws ConfigError when the folder holds no index, or its model is gone or is another one by now. */
  static async open(folder: string, options: OpenIndexOptions = {}): Promise<RetrievalIndex> {
    const { catalog = new Catalog(), session, openImage } = options;
    const thread = await startThread<SearchApi>(workerUrl("retrieval/search-worker"), folder);
    try {
      const { about, items } = await thread.call("describe");
      const model = await locateEncoder(about.model, catalog);
      if (model.modelHash !== about.modelHash) {
        throw new ConfigError(
          `${folder}: was made with other weights of ${about.model}; run tesserae index again`,
        );
      }
      const encoder = await openPairEncoder(model.folder, session);
      return new RetrievalIndex(about, items, encoder, thread, openImage);
    } catch (error) {
      await thread.terminate();
      throw error;
    }
  }

  /**
   * The items nearest to a text or a picture, best first.
   * @throws RequestError for an empty text or a name that is not opened, ImageError for a picture that is none.
   */
  async search(
    query: SearchQuery,
    { topK = 10, reranker, candidates = Math.max(topK, leastCandidates), signal }: SearchOptions = {},
  ): Promise<Found[]> {
    const vector = await this.vectorOf(query);
    const neighbours = await this.thread.call("search", vector, reranker ? Math.max(topK, candidates) : topK);
    const found = neighbours.map(({ at, score }): Found => {
      const { source, text } = this.items[at]!;
      return { source, ...(text !== undefined && { text }), score };
    });
    if (!reranker) return found;
    const terms = { openImage: this.openImage, signal };
    const ordered = await reranker.order(query, found.slice(0, candidates), terms);
    return [...ordered, ...found.slice(candidates)].slice(0, topK);
  }

  /** Frees the model and the vectors. */
  async release(): Promise<void> {
    await Promise.all([this.encoder.release(), this.thread.terminate()]);
  }

  private async vectorOf(query: SearchQuery): Promise<Float32Array> {
    if ("image" in query)
      return this.encoder.image(await readPicture(query.image, this.decoder, this.openImage));
    if (query.text.trim() === "") throw new RequestError("search: the text must not be empty");
    const [vector] = await this.encoder.texts([query.text]);
    return vector!;
  }
}
