/** The class of a picture among labels that are given with the question, best first. */

import { z } from "zod";
import type { OpenTowers } from "../models/open-towers.ts";
import { releaseTowers } from "../models/open-towers.ts";
import { ImageDecoder } from "../vision/decode.ts";
import type { RgbImage } from "../vision/image.ts";
import { assertWanted, type BatchOrder } from "./batch-order.ts";
import { ClassVectors } from "./class-vectors.ts";
import { type ImageSource, imageSource, readPicture } from "./image-input.ts";
import type { PictureOptions } from "./image-predictor.ts";
import { ImageRunner } from "./image-runner.ts";
import { type MatchingModel, matchingAnswers, type TextMatch } from "./image-text-matching.ts";
import { Predictor, type QuestionKind } from "./predictor.ts";
import { sigmoid, softmax, topIndices } from "./scores.ts";
import { Slots } from "./slots.ts";
import type { LabelScore } from "./text-classification.ts";

const options = z.strictObject({
  /** A list, or labels separated by commas. */
  candidate_labels: z.union(
    [
      z.array(z.string().min(1)).min(1),
      z.string().transform((text) => text.split(",").map((label) => label.trim())),
    ],
    "must be a list of labels",
  ),
  /** A text for each label, `{}` being the label; of several, a label's vector is their mean. */
  hypothesis_template: z
    .union([z.string().transform((one) => [one]), z.array(z.string()).min(1)])
    .refine((texts) => texts.every((text) => text.includes("{}")), "must hold {}, which stands for the label")
    .default(["This is a photo of {}."]),
});

export interface ZeroShotModel {
  readonly classes: ClassVectors;
  readonly slots: Slots;
  picture(source: ImageSource): Promise<RgbImage>;
  /** The picture's vector [P]. */
  embed(image: RgbImage): Promise<Float32Array>;
}

export const zeroShotAnswers: QuestionKind<
  ImageSource,
  z.infer<typeof options>,
  LabelScore[],
  ZeroShotModel
> = {
  input: imageSource,
  options,
  answer: (model, source, { candidate_labels: labels, hypothesis_template }) =>
    model.slots.run(async () => {
      const logits = await logitsOf(model, source, labels, hypothesis_template);
      const scores = model.classes.scores.bias === undefined ? softmax(logits) : logits.map(sigmoid);
      return topIndices(scores, scores.length).map((at) => ({ label: labels[at]!, score: scores[at]! }));
    }),
};

async function logitsOf(
  { classes, picture, embed }: ZeroShotModel,
  source: ImageSource,
  labels: readonly string[],
  templates: readonly string[],
): Promise<number[]> {
  const [vectors, image] = await Promise.all([classes.of(labels, templates), picture(source).then(embed)]);
  const { scale, bias = 0 } = classes.scores;
  return vectors.map((vector) => scale * dot(vector, image) + bias);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Pictures that are read, decoded or computed at once, by all calls; bounds their memory. */
const picturesAtOnce = 32;

export function openZeroShotPredictor(
  task: string,
  model: OpenTowers,
  options: PictureOptions,
): Predictor<LabelScore[]> {
  return Predictor.over(task, zeroShotAnswers, openZeroShot(model, options), owner(model));
}

/** The model's own scores of texts as they are. */
export function openTowersMatching(
  task: string,
  model: OpenTowers,
  options: PictureOptions,
): Predictor<TextMatch[]> {
  const modelOn = openZeroShot(model, options);
  const modelFor = (order: BatchOrder): MatchingModel => ({
    match: async (source, texts) => {
      const zeroShot = modelOn(order);
      const logits = await zeroShot.slots.run(() => logitsOf(zeroShot, source, texts, ["{}"]));
      const { scale, bias = 0 } = zeroShot.classes.scores;
      return logits.map((score) => ({ score, similarity: (score - bias) / scale }));
    },
  });
  return Predictor.over(task, matchingAnswers, modelFor, owner(model));
}

const owner = (model: OpenTowers) => ({ release: () => releaseTowers(model) });

function openZeroShot(
  model: OpenTowers,
  { openImage, ...batches }: PictureOptions,
): (order: BatchOrder) => ZeroShotModel {
  const runner = new ImageRunner(model.images, ["image_embeds"], batches);
  const [pixelsInput] = model.images.inputs;
  const decoder = new ImageDecoder({}, model.preprocessor.plan.background);
  const classes = new ClassVectors(model);
  const slots = new Slots(picturesAtOnce);
  return (order) => ({
    classes,
    slots,
    picture: (source) => {
      assertWanted(order);
      return readPicture(source, decoder, openImage);
    },
    embed: async (image) => {
      const feeds = { [pixelsInput!.name]: model.preprocessor.batch([image]) };
      const { image_embeds } = await runner.run(feeds, order);
      return image_embeds!.data as Float32Array;
    },
  });
}
