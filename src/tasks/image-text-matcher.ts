/** How well texts fit pictures, with the model of a folder: cosines of vectors made apart, and a look at both together. */

import type { ConfigJson } from "../models/config.ts";
import { type OpenMatcher, openMatcher, releaseMatcher } from "../models/open-matcher.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padBatch } from "../text/batch.ts";
import type { RgbImage } from "../vision/image.ts";
import { maxLengthOf } from "./predictor.ts";
import { rowAt } from "./scores.ts";

/** Texts or pairs that are computed at once; bounds the memory of a batch. */
const batchSize = 32;

/** A picture as the model sees it. */
export interface SeenImage {
  /** Of length 1. */
  readonly features: readonly number[];
  /** Its tokens' states, [1, S, D]. */
  readonly states: Tensor;
}

export class ImageTextMatcher {
  private constructor(private readonly model: OpenMatcher) {}

  /** Over a model that its opener frees, or this. */
  static of(model: OpenMatcher): ImageTextMatcher {
    return new ImageTextMatcher(model);
  }

  /** @throws as `openMatcher`. */
  static async open(folder: string, options: SessionOptions = {}): Promise<ImageTextMatcher> {
    return new ImageTextMatcher(await openMatcher(folder, options));
  }

  get preprocessor(): OpenMatcher["preprocessor"] {
    return this.model.preprocessor;
  }

  async see(image: RgbImage): Promise<SeenImage> {
    const pixel_values = this.model.preprocessor.batch([image]);
    const { image_features, image_embeds } = await this.model.images.run({ pixel_values });
    return { features: rowAt(image_features!, 0), states: image_embeds! };
  }

  /** A vector of length 1 for each text. */
  async read(texts: readonly string[]): Promise<(readonly number[])[]> {
    const vectors: (readonly number[])[] = [];
    for (const some of chunks(texts)) {
      const { text_features } = await this.model.texts.run(this.encode(some));
      vectors.push(...some.map((_, row) => rowAt(text_features!, row)));
    }
    return vectors;
  }

  /** log(p / (1 − p)) for each text, p being the probability that it is about the picture. */
  async match({ states }: SeenImage, texts: readonly string[]): Promise<number[]> {
    const scores: number[] = [];
    for (const some of chunks(texts)) {
      const feeds = { ...this.encode(some), image_embeds: repeated(states, some.length) };
      const { itm_logits } = await this.model.pairs.run(feeds);
      scores.push(
        ...some.map((_, row) => Number(itm_logits!.data[2 * row + 1]) - Number(itm_logits!.data[2 * row])),
      );
    }
    return scores;
  }

  /** Frees the model. */
  release(): Promise<void> {
    return releaseMatcher(this.model);
  }

  private encode(texts: readonly string[]): { input_ids: Tensor; attention_mask: Tensor } {
    const { tokenizer, config, folder } = this.model;
    const maxLength = maxLengthOf(config.text_config as ConfigJson, tokenizer, folder);
    const encodings = texts.map((text) => tokenizer.encode(text, undefined, { maxLength }));
    const { input_ids, attention_mask } = padBatch(encodings, { padId: tokenizer.padId });
    return { input_ids, attention_mask };
  }
}

function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += batchSize) yield items.slice(start, start + batchSize);
}

/** [1, …] as [count, …], each row the same. */
function repeated({ dtype, shape, data }: Tensor, count: number): Tensor {
  const all = new Float32Array(count * data.length);
  for (let row = 0; row < count; row++) all.set(data as Float32Array, row * data.length);
  return new Tensor(dtype, [count, ...shape.slice(1)], all);
}
