/** Options of `tesserae predict` for models that generate. */

import type { Command } from "commander";
import type { GenerationOptions } from "../generation/options.ts";
import { numberFrom, wholeNumber } from "./command.ts";

export interface GenerationFlags {
  readonly topK?: number;
  readonly maxNewTokens?: number;
  readonly beams?: number;
  readonly answers?: number;
  readonly sample?: boolean;
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly repetitionPenalty?: number;
  readonly stop?: readonly string[];
  readonly stream?: boolean;
}

/** Adds them, but for `--top-k`, which other tasks have too. */
export function addGenerationOptions(command: Command): Command {
  return command
    .option("--max-new-tokens <number>", "generation: most tokens of an answer", wholeNumber(1))
    .option("--beams <number>", "generation: sequences searched side by side", wholeNumber(1))
    .option("--answers <number>", "generation: answers to each text, from beams or draws", wholeNumber(1))
    .option("--sample", "generation: draw tokens instead of taking the likeliest")
    .option("--temperature <number>", "generation: below 1 draws likelier tokens", numberFrom(0))
    .option(
      "--top-p <number>",
      "generation: draw from the likeliest tokens that make up this share",
      numberFrom(0),
    )
    .option("--seed <number>", "generation: the same seed draws the same text", wholeNumber(0))
    .option(
      "--repetition-penalty <number>",
      "generation: above 1 avoids tokens that came before",
      numberFrom(0),
    )
    .option("--stop <text>", "generation: a text that ends an answer; may be given again", collect)
    .option("--stream", "generation: print an answer while it is made");
}

const collect = (text: string, earlier: readonly string[] = []): string[] => [...earlier, text];

/** The flags under their names in the library; only those that were given. */
export function generationParameters(flags: GenerationFlags): GenerationOptions {
  const parameters: GenerationOptions = {
    top_k: flags.topK,
    max_new_tokens: flags.maxNewTokens,
    num_beams: flags.beams,
    num_return_sequences: flags.answers,
    do_sample: flags.sample,
    temperature: flags.temperature,
    top_p: flags.topP,
    seed: flags.seed,
    repetition_penalty: flags.repetitionPenalty,
    stop_strings: flags.stop && [...flags.stop],
  };
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined));
}
