/** A Flamingo to be trained, out of a CLIP and a GPT-2 that stay as they are. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RequestError } from "../errors.ts";
import { flamingoConfigOf, writeFlamingoParts } from "../models/flamingo-parts.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import { foundImageModel } from "./initial-image-model.ts";
import type { InitialPairModel } from "./initial-pair-model.ts";

/** What is given for the model's name where it is made of parts. */
export const flamingoName = "flamingo";

export interface FlamingoFlags {
  /** Models in the store, in folders or on the hub. */
  readonly visionModel?: string;
  readonly languageModel?: string;
}

/** @throws RequestError unless both parts are given and have weights; ConfigError as `flamingoConfigOf`. */
export async function initialFlamingo({
  visionModel,
  languageModel,
}: FlamingoFlags): Promise<InitialPairModel> {
  if (visionModel === undefined || languageModel === undefined)
    throw new RequestError(
      `train ${flamingoName}: give --vision-model (a CLIP) and --language-model (a GPT-2)`,
    );
  const [vision, language] = await Promise.all(
    [visionModel, languageModel].map((name) => foundImageModel(name, [])),
  );
  const parts = { vision: vision!, language: language! };
  const config = flamingoConfigOf(parts);
  return {
    config,
    modelType: String(config.model_type),
    parent: `${vision!.parent} and ${language!.parent}`,
    ...(vision!.preprocessor && { preprocessor: vision!.preprocessor }),
    withTokenizer: async (given) => {
      if (given)
        throw new RequestError(`train ${flamingoName}: words are the language model's; give no tokenizer`);
      return { config, tokenizer: await loadTokenizer(language!.folder) };
    },
    async writeWeights(adjusted) {
      const folder = await mkdtemp(join(tmpdir(), "tesserae-flamingo-"));
      await writeFlamingoParts(folder, adjusted, parts);
      return { folder, release: () => rm(folder, { recursive: true, force: true }) };
    },
  };
}
