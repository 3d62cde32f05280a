/**
 * Training data of models that tell which image and text belong together: one text for each image of a batch, drawn
 * anew each epoch. B images, N texts, T tokens, P features.
 */

import { type ImageTextPair, imageTextPairs } from "../data/image-text-pairs.ts";
import type { Random } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type PaddedBatch, padBatch } from "../text/batch.ts";
import { retrievalRecall } from "../train/metrics/retrieval.ts";
import type { Evaluator } from "../train/task.ts";
import { CountingEncoder } from "./dataset.ts";
import { imageDataset } from "./image-dataset.ts";
import type { PairDataRecipe, PairSetup } from "./pair-recipe.ts";
import { rowAt } from "./scores.ts";
import { zeroShotAccuracy } from "./zero-shot-accuracy.ts";

/** Texts are padded to multiples of so many tokens, so that few graphs are compiled. */
const lengthStep = 8;

export const contrastiveData: PairDataRecipe = {
  name: "zero-shot-image-classification",
  open: imageTextPairs,
  textsOf: ({ captions, keywords }) => [...captions, ...keywords],
  bestMetric: "mean_recall",
  outputs: ["loss", "image_embeds", "text_embeds"],
  answerMetrics: (pairs, folder, { template, session = {} }) =>
    zeroShotAccuracy(folder, pairs, template, session),
  datasetOf(pairs, setup) {
    const encoder = new CountingEncoder(setup);
    const captions = pairs.map((pair) => pair.captions.map((text) => encoder.encode(text)));
    const { truncated } = encoder;
    const textsOf = (texts: Parameters<typeof padBatch>[0]) => padded(texts, setup);
    const drawn = (at: number, random: Random) => {
      const pair = pairs[at]!;
      const choice = random.integer(pair.captions.length);
      const text = withKeywords(pair, choice, random);
      return text === undefined ? captions[at]![choice]! : encoder.encode(text);
    };
    const dataset = imageDataset({
      ...setup,
      examples: pairs,
      finish: (pixels, indices, random) => ({
        pixel_values: pixels,
        ...textsOf(
          setup.augmentation
            ? indices.map((at, row) => drawn(at, random.fork("text", row)))
            : indices.flatMap((at) => captions[at]!),
        ),
      }),
      evaluator: () => retrievalEvaluator(pairs),
    });
    const isTraining = setup.augmentation !== undefined;
    return { ...dataset, truncated, fullBatches: isTraining };
  },
};

/** input_ids and attention_mask [N, T]. */
export function padded(
  texts: Parameters<typeof padBatch>[0],
  { tokenizer, maxLength }: PairSetup,
): Pick<PaddedBatch, "input_ids" | "attention_mask"> {
  const longest = Math.max(...texts.map(({ ids }) => ids.length));
  const length = Math.min(maxLength, Math.ceil(longest / lengthStep) * lengthStep);
  const { input_ids, attention_mask } = padBatch(texts, { padId: tokenizer.padId, length });
  return { input_ids, attention_mask };
}

/** Most keywords of a text. */
const keywordsAtOnce = 4;

/**
 * A caption with keywords behind it (every fourth time) or keywords alone (every fourth time, where there are two), so
 * that single words come to mean something; undefined: the caption as it is.
 */
function withKeywords(
  { captions, keywords }: ImageTextPair,
  choice: number,
  random: Random,
): string | undefined {
  const kind = random.integer(4);
  if (kind < 2 || keywords.length === 0) return undefined;
  const chosen = random.shuffle([...keywords]).slice(0, 1 + random.integer(keywordsAtOnce));
  return kind === 2 || keywords.length < 2 ? [captions[choice], ...chosen].join(", ") : chosen.join(", ");
}

/** Recall over all images and all their captions, in the order in which batches bring them. */
function retrievalEvaluator(pairs: readonly ImageTextPair[]): Evaluator {
  const images: number[][] = [];
  const texts: { readonly image: number; readonly features: readonly number[] }[] = [];
  return {
    add({ image_embeds, text_embeds }, indices) {
      let row = 0;
      for (const [at, index] of indices.entries()) {
        const image = images.push(rowAt(image_embeds as Tensor, at)) - 1;
        for (const _ of pairs[index]!.captions)
          texts.push({ image, features: rowAt(text_embeds as Tensor, row++) });
      }
    },
    result() {
      const owners = texts.map(({ image }) => image);
      const scoresOf = (text: number) => images.map((image) => dot(image, texts[text]!.features));
      return retrievalRecall(owners, images.length, scoresOf);
    },
  };
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
