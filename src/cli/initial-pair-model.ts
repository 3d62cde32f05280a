/** What training on image–text pairs starts from: a model that is there, or a named size with random weights. */

import { RequestError } from "../errors.ts";
import { blipConfigs } from "../models/blip-architectures.ts";
import { clipConfigs } from "../models/clip-architectures.ts";
import type { ConfigJson } from "../models/config.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { foundImageModel, type InitialImageModel } from "./initial-image-model.ts";
import { ofFamily } from "./initial-model.ts";
import { pairVocabulary } from "./pair-tokenizer.ts";

/** Sizes that train from random weights. */
const namedConfigs: ReadonlyMap<string, ConfigJson> = new Map([
  ...ofFamily("clip", clipConfigs),
  ...ofFamily("blip", blipConfigs),
]);

export interface InitialPairModel extends InitialImageModel {
  /** Its family, as `model_type` names it. */
  readonly modelType: string;
  /** The model with its own tokenizer, or with one given or learned. @throws RequestError where it has none. */
  withTokenizer(given?: Tokenizer): Promise<{ readonly config: ConfigJson; readonly tokenizer: Tokenizer }>;
}

/**
 * A named size, or a model in the store, in a folder or on the hub; a folder without weights starts from random ones.
 * @throws ConfigError that says what names there are.
 */
export async function initialPairModel(name: string): Promise<InitialPairModel> {
  const named = namedConfigs.get(name);
  if (named) {
    return {
      config: named,
      modelType: String(named.model_type),
      parent: `${name} with random weights`,
      withTokenizer: newTokenizer(name, named),
    };
  }
  const found = await foundImageModel(name, [...namedConfigs.keys()]);
  const { config, folder, weightsFolder } = found;
  return {
    ...found,
    modelType: String(config.model_type),
    withTokenizer: async (given) => {
      if (given && !weightsFolder) return newTokenizer(name, config)(given);
      return { config, tokenizer: given ?? (await loadTokenizer(folder)) };
    },
  };
}

/** Weights that are drawn take any vocabulary. */
const newTokenizer =
  (name: string, config: ConfigJson): InitialPairModel["withTokenizer"] =>
  async (tokenizer) => {
    if (tokenizer) return { config: withVocabulary(config, tokenizer), tokenizer };
    throw new RequestError(
      `${name}: to train this size from random weights, give --tokenizer FOLDER or --train-tokenizer SIZE`,
    );
  };

const withVocabulary = (config: ConfigJson, tokenizer: Tokenizer): ConfigJson => ({
  ...config,
  text_config: { ...(config.text_config as ConfigJson | undefined), ...pairVocabulary(config, tokenizer) },
});
