/** Training data of models that write captions: one caption for each picture of a batch, drawn anew each epoch. */

import { imageTextPairs } from "../data/image-text-pairs.ts";
import type { ConfigJson } from "../models/config.ts";
import type { EncodedText } from "./batch-runner.ts";
import { captionScores } from "./caption-scores.ts";
import { padded } from "./contrastive-data.ts";
import { CountingEncoder } from "./dataset.ts";
import { imageDataset } from "./image-dataset.ts";
import type { PairDataRecipe } from "./pair-recipe.ts";

export const captionData: PairDataRecipe = {
  name: "image-to-text",
  open: imageTextPairs,
  textsOf: ({ captions }) => captions,
  bestMetric: "loss",
  outputs: ["loss"],
  answerMetrics: captionScores,
  datasetOf(pairs, setup) {
    const encoder = new CountingEncoder(setup);
    const spoken = decoderTexts(encoder, setup.config);
    const captions = pairs.map((pair) => pair.captions.map(spoken));
    const dataset = imageDataset({
      ...setup,
      examples: pairs,
      finish(pixels, indices, random) {
        const drawn = indices.map((at) => captions[at]![random.integer(captions[at]!.length)]!);
        return { pixel_values: pixels, ...padded(drawn, setup) };
      },
      evaluator: () => ({ add: () => undefined, result: () => ({}) }),
    });
    const targetLengths = captions.map(([first]) => first!.ids.length);
    return { ...dataset, targetLengths, truncated: encoder.truncated };
  },
};

/** Encodes texts that the decoder is to say: its own first token stands in the place of the tokenizer's. */
export function decoderTexts(encoder: CountingEncoder, config: ConfigJson): (text: string) => EncodedText {
  const start = captionStart(config);
  return (text) => {
    const { ids, typeIds } = encoder.encode(text);
    return { ids: [start, ...ids.slice(1)], typeIds };
  };
}

/** The token that the decoder begins with, in place of the tokenizer's own first one. */
export const captionStart = ({ text_config }: ConfigJson): number =>
  (text_config as { bos_token_id?: number } | undefined)?.bos_token_id ?? 30522;
