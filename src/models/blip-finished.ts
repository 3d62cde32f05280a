/**
 * What BLIP's pretraining leaves: the weights of captioning and retrieval models without what only training needs.
 * In pretraining, text encoder and decoder share all but self-attention; the models that are used have weights each.
 */

import type { Tensor } from "../tensor/tensor.ts";
import type { ConfigJson } from "./config.ts";
import { architectureOf } from "./registry.ts";
import { storedNames } from "./trace.ts";

/** The class that is pretrained, and those that its weights are of. */
export const blipPretrainingClass = "BlipForPreTraining";
export const blipFinishedClasses = ["BlipForConditionalGeneration", "BlipForImageTextRetrieval"] as const;

/** The config of the finished model: the first class writes captions, the second matches texts with images. */
export function finishedBlipConfig(config: ConfigJson): ConfigJson {
  const { queue_size, momentum, alpha, ...kept } = config;
  return { ...kept, architectures: blipFinishedClasses };
}

/** Weights of all finished classes by name, from those of the pretrained one. */
export function finishedBlipWeights(
  config: ConfigJson,
  weights: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  const names = blipFinishedClasses.flatMap((name) => {
    const architecture = architectureOf({ ...config, architectures: [name] });
    return [...storedNames(architecture, architecture.build(config)).values()];
  });
  return new Map(names.map((name) => [name, weights.get(name) ?? weights.get(sharedName(name))!]));
}

/** Where the text encoder has the decoder's weights; its head scores words by their own vectors. */
const sharedName = (name: string): string =>
  name
    .replace("text_decoder.cls.predictions.decoder.", "text_encoder.embeddings.word_embeddings.")
    .replace("text_decoder.bert.", "text_encoder.");
