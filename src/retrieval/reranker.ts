/** A closer look at what a search found: a BLIP that matches texts with pictures orders it again. */

import { type ImageExample, loadPixels, openImages } from "../data/images.ts";
import { ConfigError, RequestError } from "../errors.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { type ImageOpener, readPicture } from "../tasks/image-input.ts";
import { ImageTextMatcher } from "../tasks/image-text-matcher.ts";
import { sigmoid } from "../tasks/scores.ts";
import { ImageDecoder } from "../vision/decode.ts";
import type { Found, SearchQuery } from "./open-index.ts";

export class PairReranker {
  private readonly decoder: ImageDecoder;

  private constructor(
    private readonly matcher: ImageTextMatcher,
    private readonly examples: ReadonlyMap<string, ImageExample>,
  ) {
    this.decoder = new ImageDecoder({}, matcher.preprocessor.plan.background);
  }

  /**
   * `data`: what the index was made of, where its pictures are read again.
   * @throws ConfigError for a model that is no matcher, or data that is gone.
   */
  static async open(folder: string, data: string, session: SessionOptions = {}): Promise<PairReranker> {
    const { examples } = /\.txt(\.gz)?$/i.test(data) ? { examples: [] } : await openImages(data);
    const bySource = new Map(examples.map((example) => [example.source, example]));
    return new PairReranker(await ImageTextMatcher.open(folder, session), bySource);
  }

  /**
   * What was found, ordered by the log odds of a match plus the cosine. Li et al. 2022, https://arxiv.org/abs/2201.12086
   * @throws RequestError where question and items are both pictures or both texts.
   */
  async order(query: SearchQuery, found: readonly Found[], open: ImageOpener | undefined): Promise<Found[]> {
    const isPairs = found.every(({ text }) => (text === undefined) === "text" in query);
    if (!isPairs)
      throw new RequestError("rerank: pairs of a picture and a text are compared, give the other");
    const logOdds = await ("text" in query
      ? this.ofPictures(query.text, found)
      : this.ofTexts(query, found, open));
    const order = [...found.keys()].sort(
      (a, b) => logOdds[b]! + found[b]!.score - (logOdds[a]! + found[a]!.score),
    );
    return order.map((at) => ({ ...found[at]!, match: sigmoid(logOdds[at]!) }));
  }

  /** Frees the model. */
  release(): Promise<void> {
    return this.matcher.release();
  }

  private async ofPictures(text: string, found: readonly Found[]): Promise<number[]> {
    const logOdds: number[] = [];
    for (const { source } of found) {
      const example = this.examples.get(source);
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
    open: ImageOpener | undefined,
  ): Promise<number[]> {
    const seen = await this.matcher.see(await readPicture(image, this.decoder, open));
    return this.matcher.match(
      seen,
      found.map(({ text }) => text!),
    );
  }
}
