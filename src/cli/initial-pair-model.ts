/** What training on image–text pairs starts from: a model that is there, or a named size with random weights. */

import { RequestError } from "../errors.ts";
import { blipConfigs } from "../models/blip-architectures.ts";
import { clipConfigs } from "../models/clip-architectures.ts";
import type { ConfigJson } from "../models/config.ts";
import { architectureOf } from "../models/registry.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type FlamingoFlags, flamingoName, initialFlamingo } from "./initial-flamingo.ts";
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
  /** Of a model that is made of others: writes the weights that it takes over, for as long as they are needed. */
  writeWeights?(config: ConfigJson): Promise<{ readonly folder: string; release(): Promise<void> }>;
}

/**
 * A named size, or a model in the store, in a folder or on the hub; a folder without weights starts from random ones.
 * `flamingo` is made of two models that the flags name.
 * @throws ConfigError that says what names there are; RequestError for parts of any other model.
 */
export async function initialPairModel(name: string, parts: FlamingoFlags = {}): Promise<InitialPairModel> {
  if (name === flamingoName) return initialFlamingo(parts);
  if (parts.visionModel !== undefined || parts.languageModel !== undefined)
    throw new RequestError(`train: --vision-model and --language-model make a ${flamingoName}, got ${name}`);
  const named = namedConfigs.get(name);
  if (named) {
    return {
      config: named,
      modelType: String(named.model_type),
      parent: `${name} with random weights`,
      withTokenizer: newTokenizer(name, named),
    };
  }
  const found = await foundImageModel(name, [...namedConfigs.keys(), flamingoName]);
  const { folder, weightsFolder } = found;
  const modelType = String(found.config.model_type ?? architectureOf(found.config, folder).modelType);
  const config = modelType === "open-flamingo" ? { freeze_pretrained: true, ...found.config } : found.config;
  return {
    ...found,
    config,
    modelType,
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
