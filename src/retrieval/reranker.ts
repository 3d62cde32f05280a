/** A closer look at what a search found: a BLIP that matches texts with pictures orders it again. */

import { type ImageExample, loadPixels, openImages } from "../data/images.ts";
import { ConfigError, RequestError } from "../errors.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { assertWanted } from "../tasks/batch-order.ts";
import { type ImageOpener, readPicture } from "../tasks/image-input.ts";
import { ImageTextMatcher } from "../tasks/image-text-matcher.ts";
import { sigmoid } from "../tasks/scores.ts";
import { ImageDecoder } from "../vision/decode.ts";
import type { Found, SearchQuery } from "./open-index.ts";

/** On what terms a closer look is taken. */
export interface RerankTerms {
  /** Gets the bytes behind names of pictures; without it, only bytes and pixels are taken. */
  readonly openImage?: ImageOpener | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class PairReranker {
  private readonly decoder: ImageDecoder;
  private examples: Promise<ReadonlyMap<string, ImageExample>> | undefined;

  private constructor(
    private readonly matcher: ImageTextMatcher,
    private readonly data: string,
  ) {
    this.decoder = new ImageDecoder({}, matcher.preprocessor.plan.background);
  }

  /**
   * `data`: what the index was made of, where its pictures are read again.
   * @throws ConfigError for a model that is no matcher.
   */
  static async open(folder: string, data: string, session: SessionOptions = {}): Promise<PairReranker> {
    return PairReranker.over(await ImageTextMatcher.open(folder, session), data);
  }

  /** Over a matcher that its opener frees, or this. */
  static over(matcher: ImageTextMatcher, data: string): PairReranker {
    return new PairReranker(matcher, data);
  }

  /**
   * What was found, ordered by the log odds of a match plus the cosine. Li et al. 2022, https://arxiv.org/abs/2201.12086
   * @throws RequestError where question and items are both pictures or both texts; ConfigError for pictures that are
   * gone; RuntimeFailure, code interrupted, when the signal aborts.
   */
  async order(query: SearchQuery, found: readonly Found[], terms: RerankTerms = {}): Promise<Found[]> {
    const isPairs = found.every(({ text }) => (text === undefined) === "text" in query);
    if (!isPairs)
      throw new RequestError("rerank: pairs of a picture and a text are compared, give the other");
    const logOdds = await ("text" in query
      ? this.ofPictures(query.text, found, terms)
      : this.ofTexts(query, found, terms));
    const order = [...found.keys()].sort(
      (a, b) => logOdds[b]! + found[b]!.score - (logOdds[a]! + found[a]!.score),
    );
    return order.map((at) => ({ ...found[at]!, match: sigmoid(logOdds[at]!) }));
  }

  /** Frees the model. */
  release(): Promise<void> {
    return this.matcher.release();
  }

  private async ofPictures(
    text: string,
    found: readonly Found[],
    { signal }: RerankTerms,
  ): Promise<number[]> {
    const examples = await this.pictures();
    const logOdds: number[] = [];
    for (const { source } of found) {
      assertWanted({ signal });
      const example = examples.get(source);
      if (!example)
        throw new ConfigError(`${source}: is gone; run tesserae index again`, { code: "not_found" });
      const seen = await this.matcher.see(await loadPixels(example, this.decoder));
      logOdds.push(...(await this.matcher.match(seen, [text])));
    }
    return logOdds;
  }

  private async ofTexts(
    { image }: Extract<SearchQuery, { image: unknown }>,
    found: readonly Found[],
    { openImage }: RerankTerms,
  ): Promise<number[]> {
    const seen = await this.matcher.see(await readPicture(image, this.decoder, openImage));
    return this.matcher.match(
      seen,
      found.map(({ text }) => text!),
    );
  }

  /** The indexed pictures by their source; found when they are first needed, and sought again after a failure. */
  private pictures(): Promise<ReadonlyMap<string, ImageExample>> {
    this.examples ??= openImages(this.data).then(
      ({ examples }) => new Map(examples.map((example) => [example.source, example])),
      (error) => {
        this.examples = undefined;
        throw error;
      },
    );
    return this.examples;
  }
}
