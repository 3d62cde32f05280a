/** How text is generated: Hugging Face's options with their names, from a call, a model's files and the defaults. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ConfigError, RequestError } from "../errors.ts";
import { type ConfigJson, parseJsonObject } from "../models/config.ts";
import { sharedFolder } from "../weights/variant-folder.ts";

const tokenId = z.int().min(0);
const tokenIds = z.union([tokenId.transform((id) => [id]), z.array(tokenId)]);
const count = z.int().min(0);

/** Options that are read, each with its default. */
const optionFields = {
  /** Most tokens of a sequence, its prompt (or the decoder's start) included. Default: 20 new ones. */
  max_length: z.int().min(1).nullish(),
  /** Most new tokens; goes before `max_length`. */
  max_new_tokens: z.int().min(1).nullish(),
  /** Fewest tokens, the prompt included; until then the sequence does not end. Default 0. */
  min_length: count.nullish(),
  /** Fewest new tokens. Default 0. */
  min_new_tokens: count.nullish(),
  /** Texts that end a sequence, which keeps them. Not with beams. */
  stop_strings: z.union([z.string().transform((text) => [text]), z.array(z.string().min(1))]).nullish(),

  /** Draw tokens instead of taking the likeliest. Default false. */
  do_sample: z.boolean().nullish(),
  /** Sequences that are searched side by side. Default 1. */
  num_beams: z.int().min(1).max(1000).nullish(),
  /** Answers to each prompt: the best of the beams, or draws. Default 1. */
  num_return_sequences: z.int().min(1).max(1000).nullish(),
  /** Stop when there are as many ended sequences as beams; false: when better ones are unlikely. Default false. */
  early_stopping: z.boolean().nullish(),
  /** A beam's score is its log-probability over its length to this power. Default 1. */
  length_penalty: z.number().nullish(),

  /** Scores are divided by it; below 1 the likely becomes likelier. Default 1. */
  temperature: z.number().positive().nullish(),
  /** Draw from this many likeliest tokens, 0 for all. Default 50. */
  top_k: count.nullish(),
  /** Draw from the likeliest tokens whose probabilities make up this share, above 0 to 1. Default 1. */
  top_p: z.number().gt(0).max(1).nullish(),
  /** Draws follow from it alone, whatever else is in the batch. Default: another one every time. */
  seed: z.int().nullish(),

  /** Scores of tokens that came before are made this much worse, from above 0; 1: not at all. Default 1. */
  repetition_penalty: z.number().positive().nullish(),
  /** No sequence of this many tokens comes twice; 0: any may. Default 0. */
  no_repeat_ngram_size: count.nullish(),
  /** Sequences of tokens that never come. */
  bad_words_ids: z.array(z.array(tokenId).min(1)).nullish(),
  /** Tokens that never come. */
  suppress_tokens: z.array(tokenId).nullish(),
  /** Tokens that do not come first. */
  begin_suppress_tokens: z.array(tokenId).nullish(),
  /** The second token of a sequence, behind the decoder's start. */
  forced_bos_token_id: tokenId.nullish(),
  /** The token that a sequence of full length ends with. */
  forced_eos_token_id: tokenIds.nullish(),
  /** Normalise scores again after the rules above. Default false. */
  renormalize_logits: z.boolean().nullish(),

  bos_token_id: tokenId.nullish(),
  /** Tokens that end a sequence. */
  eos_token_id: tokenIds.nullish(),
  /** What a decoder begins with; default `bos_token_id`. */
  decoder_start_token_id: tokenId.nullish(),
};

/** Options of Hugging Face that are refused unless they have no effect. */
const unsupported: Readonly<Record<string, readonly unknown[]>> = {
  num_beam_groups: [1],
  diversity_penalty: [0],
  penalty_alpha: [0],
  typical_p: [1],
  min_p: [0],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  encoder_no_repeat_ngram_size: [0],
  encoder_repetition_penalty: [1],
  exponential_decay_length_penalty: [],
  force_words_ids: [],
  constraints: [],
  forced_decoder_ids: [],
  sequence_bias: [],
  guidance_scale: [1],
  prompt_lookup_num_tokens: [],
};

const optionsSchema = z.strictObject(optionFields);

/** What a caller may ask for. */
export type GenerationOptions = z.input<typeof optionsSchema>;
/** The same, checked; what is absent has its default effect. */
export type GenerationSettings = z.output<typeof optionsSchema>;

/**
 * A model's own settings: `generation_config.json`, else the fields of `config.json`.
 * @throws ConfigError when a file is damaged or asks for what is not supported.
 */
export async function readGenerationDefaults(
  folder: string,
  config: ConfigJson,
): Promise<GenerationSettings> {
  const path = join(sharedFolder(folder), "generation_config.json");
  if (!existsSync(path)) return parseModelDefaults(config, `${folder}: config.json`);
  const text = await readFile(path, "utf8");
  return parseModelDefaults({ ...pickIds(config), ...parseJsonObject(text, path) }, path);
}

/** Special tokens are in `config.json` even where the other file leaves them out. */
const pickIds = (config: ConfigJson): ConfigJson =>
  Object.fromEntries(
    ["bos_token_id", "eos_token_id", "decoder_start_token_id"].flatMap((name) =>
      config[name] === undefined ? [] : [[name, config[name]]],
    ),
  );

/** The settings among a file's fields. @throws ConfigError when one does not hold or is not supported. */
export function parseModelDefaults(json: ConfigJson, where: string): GenerationSettings {
  refuseUnsupported(json, (message) => new ConfigError(`${where}: ${message}`, { code: "unsupported" }));
  const known = Object.fromEntries(Object.entries(json).filter(([name]) => name in optionFields));
  const { data, error } = optionsSchema.safeParse(known);
  if (error) throw new ConfigError(`${where}: ${explain(error)}`);
  return data;
}

/** A caller's options over a model's own. @throws RequestError when one is unknown, does not hold or clashes. */
export function resolveOptions(options: object, defaults: GenerationSettings): GenerationSettings {
  refuseUnsupported(options, (message) => new RequestError(`generation: ${message}`));
  const effective = Object.fromEntries(Object.entries(options).filter(([name]) => !(name in unsupported)));
  const { data, error } = optionsSchema.safeParse(effective);
  if (error) throw new RequestError(`generation: ${explain(error)}`);
  const given = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
  const lengths = "max_length" in given && !("max_new_tokens" in given) ? { max_new_tokens: null } : {};
  return checkTogether({ ...defaults, ...lengths, ...given });
}

function checkTogether(settings: GenerationSettings): GenerationSettings {
  const { do_sample, num_beams, num_return_sequences, stop_strings } = settings;
  const beams = num_beams ?? 1;
  const answers = num_return_sequences ?? 1;
  const fail = (message: string): never => {
    throw new RequestError(`generation: ${message}`);
  };
  if (beams > 1 && do_sample) fail("num_beams above 1 and do_sample exclude each other; give one of them");
  if (beams > 1 && stop_strings) fail("stop_strings work without beams only; give num_beams 1");
  if (beams > 1 && answers > beams) {
    fail(`num_return_sequences must be at most num_beams, got ${answers} and ${beams}`);
  }
  if (beams === 1 && answers > 1 && !do_sample) {
    fail("several num_return_sequences need do_sample or num_beams, else they are all the same");
  }
  return settings;
}

function refuseUnsupported(json: object, errorOf: (message: string) => Error): void {
  for (const [name, value] of Object.entries(json)) {
    const inert = unsupported[name];
    if (!inert || value === null || value === undefined || inert.includes(value)) continue;
    throw errorOf(`${name} is not supported; leave it out, got ${JSON.stringify(value)}`);
  }
}

const explain = ({ issues }: z.ZodError): string =>
  issues.map(({ path, message }) => [...path, message].join(": ")).join("; ");
