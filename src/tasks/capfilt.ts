/**
 * CapFilt: a model writes a caption of every picture, and of its own captions and those that were there, a model that
 * matches texts with pictures keeps the ones that fit. Li et al. 2022, https://arxiv.org/abs/2201.12086
 */

import { checkPair } from "../data/image-text-pairs.ts";
import { type ImageExample, loadPixels } from "../data/images.ts";
import { mapAhead } from "../data/map-ahead.ts";
import { captionsIn } from "../data/pair-captions.ts";
import type { BadRow } from "../data/text-file.ts";
import type { GenerationOptions } from "../generation/options.ts";
import { ImageDecoder } from "../vision/decode.ts";
import type { RgbImage } from "../vision/image.ts";
import type { ImageTextMatcher } from "./image-text-matcher.ts";
import type { Predictor } from "./predictor.ts";
import { sigmoid } from "./scores.ts";
import type { GeneratedText } from "./text-generation.ts";

export interface JudgedCaption {
  readonly text: string;
  readonly origin: "original" | "synthetic";
  /** That the caption is about the picture. */
  readonly probability: number;
}

/** A picture with its captions, likeliest first. */
export interface JudgedPicture {
  readonly example: ImageExample;
  readonly captions: readonly JudgedCaption[];
}

export interface CapFiltModels {
  /** Writes captions; without one, only what is there is judged. */
  readonly captioner?: Predictor | undefined;
  readonly matcher: ImageTextMatcher;
  readonly generation?: GenerationOptions | undefined;
}

/** Pictures that are written about or judged at a time, so that captions are written in batches. */
const picturesAtOnce = 16;

/**
 * Judges the captions of each picture in turn; what cannot be decoded comes as a bad row.
 * @param columns fields with captions; a picture may have none
 */
export function judgeCaptions(
  examples: readonly ImageExample[],
  columns: readonly string[],
  models: CapFiltModels,
): AsyncGenerator<JudgedPicture | BadRow> {
  const decoder = new ImageDecoder({ maxFrames: 1 }, models.matcher.preprocessor.plan.background);
  const judge = async (example: ImageExample): Promise<JudgedPicture | BadRow> => {
    const checked = await checkPair(example, decoder, (one) => one);
    if (!("pair" in checked)) return checked;
    const image = await loadPixels(example, decoder);
    return { example, captions: await judged(image, captionsIn(example, columns), models) };
  };
  return mapAhead(examples, judge, picturesAtOnce);
}

async function judged(
  image: RgbImage,
  originals: readonly string[],
  { captioner, matcher, generation = {} }: CapFiltModels,
): Promise<JudgedCaption[]> {
  const written = ((await captioner?.predict([image], generation)) ?? []) as GeneratedText[][];
  const texts = written.flat().map(({ generated_text }) => generated_text);
  const synthetic = [...new Set(texts)].filter((text) => text !== "" && !originals.includes(text));
  const captions = [...originals, ...synthetic];
  if (captions.length === 0) return [];
  const logOdds = await matcher.match(await matcher.see(image), captions);
  const results = captions.map(
    (text, at): JudgedCaption => ({
      text,
      origin: at < originals.length ? "original" : "synthetic",
      probability: sigmoid(logOdds[at]!),
    }),
  );
  return results.sort((a, b) => b.probability - a.probability);
}
