/** Opening a model folder for generation: config, tokenizer, and what continues prompts. */

import { type ConfigJson, readConfig } from "../models/config.ts";
import type { Architecture } from "../models/model.ts";
import { architectureOf } from "../models/registry.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Generator } from "./generator.ts";
import { ThreadedGenerator } from "./threaded-generator.ts";

/** A model that continues texts. */
export interface OpenGenerator {
  readonly folder: string;
  readonly config: ConfigJson;
  readonly architecture: Architecture;
  readonly tokenizer: Tokenizer;
  readonly generator: Generator;
}

/** How a generator is opened: in a thread of its own, or in the calling one. */
export type GeneratorOpener = (folder: string, options: SessionOptions) => Promise<Generator>;

/** @throws ConfigError or WeightError when the folder is incomplete, damaged or not of a model that generates. */
export async function openGenerator(
  folder: string,
  options: SessionOptions = {},
  open: GeneratorOpener = ThreadedGenerator.open,
): Promise<OpenGenerator> {
  const config = await readConfig(folder);
  const architecture = architectureOf(config, folder);
  const opening = open(folder, options); // in its thread, while this one reads the tokenizer
  try {
    const tokenizer = await loadTokenizer(folder);
    return { folder, config, architecture, tokenizer, generator: await opening };
  } catch (error) {
    await opening.then(
      (generator) => generator.release(),
      () => undefined,
    );
    throw error;
  }
}
