/** What training starts from: a stored model, a folder, a hub model, or a named size with random weights. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, TesseraeError } from "../errors.ts";
import { bertConfigs } from "../models/bert.ts";
import { type ConfigJson, readConfig } from "../models/config.ts";
import { distilBertConfigs } from "../models/distilbert.ts";
import { gpt2Configs } from "../models/gpt2.ts";
import { marianConfigs } from "../models/marian.ts";
import { roFormerConfigs } from "../models/roformer.ts";
import { t5Configs } from "../models/t5.ts";
import { transformerConfigs } from "../models/transformer.ts";
import { xlnetConfigs } from "../models/xlnet.ts";
import { Catalog } from "../store/catalog.ts";
import { nearest } from "../store/nearest.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { weightsFile, weightsIndexFile } from "../weights/checkpoint.ts";
import { resolveModel } from "../weights/hub.ts";
import type { TokenizerOf } from "./tokenizer-choice.ts";

export interface InitialModel {
  /** config.json without what a task adds. */
  readonly config: ConfigJson;
  /** A checkpoint; without one all weights are drawn. */
  readonly weightsFolder?: string;
  readonly tokenizer: Tokenizer;
  /** Where it came from, for the lineage. */
  readonly parent: string;
}

/** Named sizes of a family as configs. */
export const ofFamily = (
  modelType: string,
  sizes: Readonly<Record<string, ConfigJson>>,
): [string, ConfigJson][] =>
  Object.entries(sizes).map(([name, fields]) => [name, { model_type: modelType, ...fields }]);

/** Sizes that train from random weights. */
const namedConfigs: ReadonlyMap<string, ConfigJson> = new Map([
  ...ofFamily("bert", bertConfigs),
  ...ofFamily("distilbert", distilBertConfigs),
  ...ofFamily("roformer", roFormerConfigs),
  ...ofFamily("xlnet", xlnetConfigs),
  ...ofFamily("gpt2", gpt2Configs),
  ...ofFamily("tesserae-transformer", transformerConfigs),
  ...ofFamily("marian", marianConfigs),
  ...ofFamily("t5", t5Configs),
]);

/** Whether a model of that name can start from random weights. */
export const isNamedSize = (name: string): boolean => namedConfigs.has(name);

/**
 * A named size is meant where a tokenizer is given; otherwise the name is looked for in the store, among folders and
 * on the hub. A folder without weights (config.json and tokenizer) starts from random ones.
 * @throws ConfigError that says what names there are.
 */
export async function initialModel(name: string, tokenizerOf?: TokenizerOf): Promise<InitialModel> {
  const named = tokenizerOf && namedConfigs.get(name);
  if (!named) return foundModel(name, tokenizerOf);
  const tokenizer = await tokenizerOf(String(named.model_type));
  return {
    config: { ...named, ...vocabularyFields(tokenizer), ...startFields(named, tokenizer) },
    tokenizer,
    parent: `${name} with random weights`,
  };
}

/** What config.json says of the vocabulary. */
export const vocabularyFields = ({ vocabSize, padId, bosId, eosId }: Tokenizer): ConfigJson => ({
  vocab_size: vocabSize,
  pad_token_id: padId,
  ...(eosId !== undefined && { bos_token_id: bosId ?? eosId, eos_token_id: eosId }),
});

/** Decoders of encoder–decoders start with the padding, as T5's and Marian's do. */
const startFields = ({ model_type }: ConfigJson, { padId, eosId, sepId }: Tokenizer): ConfigJson =>
  ["tesserae-transformer", "marian", "t5"].includes(String(model_type))
    ? { decoder_start_token_id: padId, eos_token_id: eosId ?? sepId, is_encoder_decoder: true }
    : {};

async function foundModel(name: string, tokenizerOf: TokenizerOf | undefined): Promise<InitialModel> {
  const { folder, parent } = await findFolder(name);
  const config = await readConfig(folder);
  const hasWeights = [weightsFile, weightsIndexFile].some((file) => existsSync(join(folder, file)));
  const tokenizer = await (tokenizerOf ? tokenizerOf(String(config.model_type)) : loadTokenizer(folder));
  if (hasWeights) return { config, weightsFolder: folder, tokenizer, parent };
  return { config: { ...config, ...(tokenizerOf && vocabularyFields(tokenizer)) }, tokenizer, parent };
}

/**
 * A model in the store, in a folder or on the hub. `sizes`: names that may have been meant.
 * @throws ConfigError, code not_found, perhaps with the nearest name.
 */
export async function findFolder(
  name: string,
  sizes: readonly string[] = [...namedConfigs.keys()],
): Promise<{ folder: string; parent: string }> {
  try {
    const { folder, ref } = await new Catalog().locate(name);
    return { folder, parent: ref };
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return findOnHub(name, sizes, error);
  }
}

/** A model that is not here. `missing` says so, perhaps with the nearest name. */
async function findOnHub(
  name: string,
  sizes: readonly string[],
  missing: Error,
): Promise<{ folder: string; parent: string }> {
  try {
    const { folder, commit } = await resolveModel(name);
    return { folder, parent: commit ? `${name}@${commit}` : name };
  } catch (error) {
    const guess = nearest(name, sizes);
    if (guess === name) {
      throw new ConfigError(
        `${name}: to train this size from random weights, give --tokenizer FOLDER with tokenizer.json or vocab.txt, or --train-tokenizer SIZE`,
        { cause: error },
      );
    }
    if (!isNotFound(error) || name.includes("/")) throw error;
    throw guess === undefined ? missing : notFound(name, guess);
  }
}

const isNotFound = (error: unknown): error is TesseraeError =>
  error instanceof TesseraeError && error.code === "not_found";

const notFound = (name: string, guess: string): ConfigError =>
  new ConfigError(`model "${name}": is not here; did you mean "${guess}"?`, { code: "not_found" });
