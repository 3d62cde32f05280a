/** How well texts fit a picture: the probability that they match by a BLIP that looks at both, the logit of a CLIP. */

import { z } from "zod";
import type { OpenMatcher } from "../models/open-matcher.ts";
import { releaseMatcher } from "../models/open-matcher.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { assertWanted, type BatchOrder } from "./batch-order.ts";
import { type ImageOpener, type ImageSource, imageSource, readPicture } from "./image-input.ts";
import { ImageTextMatcher } from "./image-text-matcher.ts";
import { Predictor, type QuestionKind } from "./predictor.ts";
import { sigmoid, topIndices } from "./scores.ts";
import { Slots } from "./slots.ts";
import type { LabelScore } from "./text-classification.ts";

const text = z.string().min(1);
/** A picture, and one text or several. */
const pairs = z.strictObject({
  image: imageSource,
  text: z.union([text.transform((one) => [one]), z.array(text).min(1)], "must be a text or a list of texts"),
});

/** How well one text fits. */
export interface MatchScores {
  readonly score: number;
  /** Cosine of the vectors of picture and text, which are made apart. */
  readonly similarity: number;
}

export type TextMatch = LabelScore & MatchScores;

export interface MatchingModel {
  /** For each text. */
  match(image: ImageSource, texts: readonly string[]): Promise<readonly MatchScores[]>;
}

/** The texts as labels with their scores, best first. */
export const matchingAnswers: QuestionKind<z.infer<typeof pairs>, object, TextMatch[], MatchingModel> = {
  input: pairs,
  options: z.strictObject({}),
  answer: async (model, { image, text: texts }) => {
    const matches = await model.match(image, texts);
    const scores = matches.map(({ score }) => score);
    return topIndices(scores, texts.length).map((at) => ({ label: texts[at]!, ...matches[at]! }));
  },
};

/** Pictures that are read, decoded or computed at once, by all calls; bounds their memory. */
const picturesAtOnce = 32;

export function openMatchingPredictor(
  task: string,
  model: OpenMatcher,
  openImage: ImageOpener | undefined,
): Predictor<TextMatch[]> {
  const matcher = ImageTextMatcher.of(model);
  const decoder = new ImageDecoder({}, model.preprocessor.plan.background);
  const slots = new Slots(picturesAtOnce);
  const modelFor = (order: BatchOrder): MatchingModel => ({
    match: (image, texts) =>
      slots.run(async () => {
        const picture = await readPicture(image, decoder, openImage);
        assertWanted(order);
        const seen = await matcher.see(picture);
        const [logOdds, vectors] = [await matcher.match(seen, texts), await matcher.read(texts)];
        return logOdds.map((odds, at) => ({
          score: sigmoid(odds),
          similarity: vectors[at]!.reduce((sum, value, i) => sum + value * seen.features[i]!, 0),
        }));
      }),
  });
  return Predictor.over(task, matchingAnswers, modelFor, { release: () => releaseMatcher(model) });
}
