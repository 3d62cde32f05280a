/** What training starts from: a stored model, a folder, a hub model, or a named size with random weights. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, TesseraeError } from "../errors.ts";
import { bertConfigs } from "../models/bert.ts";
import { type ConfigJson, readConfig } from "../models/config.ts";
import { Catalog } from "../store/catalog.ts";
import { nearest } from "../store/nearest.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { weightsFile, weightsIndexFile } from "../weights/checkpoint.ts";
import { resolveModel } from "../weights/hub.ts";

export interface InitialModel {
  /** config.json without what a task adds. */
  readonly config: ConfigJson;
  /** A checkpoint; without one all weights are drawn. */
  readonly weightsFolder?: string;
  readonly tokenizer: Tokenizer;
  /** Where it came from, for the lineage. */
  readonly parent: string;
}

/** Sizes that train from random weights. */
const namedConfigs: Readonly<Record<string, ConfigJson>> = bertConfigs;

/**
 * A named size is meant where a tokenizer is given; otherwise the name is looked for in the store, among folders and
 * on the hub. A folder without weights (config.json and tokenizer) starts from random ones.
 * @throws ConfigError that says what names there are.
 */
export async function initialModel(name: string, tokenizerFolder?: string): Promise<InitialModel> {
  const tokenizer = tokenizerFolder === undefined ? undefined : await loadTokenizer(tokenizerFolder);
  if (tokenizer && name in namedConfigs) return namedModel(name, tokenizer);
  return foundModel(name, tokenizer);
}

function namedModel(name: string, tokenizer: Tokenizer): InitialModel {
  const config = {
    model_type: "bert",
    ...namedConfigs[name],
    vocab_size: tokenizer.vocabSize,
    pad_token_id: tokenizer.padId,
  };
  return { config, tokenizer, parent: `${name} with random weights` };
}

async function foundModel(name: string, tokenizer: Tokenizer | undefined): Promise<InitialModel> {
  const { folder, parent } = await findFolder(name);
  const hasWeights = [weightsFile, weightsIndexFile].some((file) => existsSync(join(folder, file)));
  return {
    config: await readConfig(folder),
    ...(hasWeights && { weightsFolder: folder }),
    tokenizer: tokenizer ?? (await loadTokenizer(folder)),
    parent,
  };
}

async function findFolder(name: string): Promise<{ folder: string; parent: string }> {
  try {
    const { folder, ref } = await new Catalog().locate(name);
    return { folder, parent: ref };
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return findOnHub(name, error);
  }
}

/** A model that is not here. `missing` says so, perhaps with the nearest name. */
async function findOnHub(name: string, missing: Error): Promise<{ folder: string; parent: string }> {
  try {
    const { folder, commit } = await resolveModel(name);
    return { folder, parent: commit ? `${name}@${commit}` : name };
  } catch (error) {
    const guess = nearest(name, Object.keys(namedConfigs));
    if (guess === name) {
      throw new ConfigError(
        `${name}: to train this size from random weights, give --tokenizer FOLDER with tokenizer.json or vocab.txt`,
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
