/** Texts that go on. */

import { z } from "zod";
import type { OpenGenerator } from "../generation/open-generator.ts";
import type { GenerationOptions } from "../generation/options.ts";
import type { Generated } from "../generation/search.ts";
import { streamTokens } from "../generation/stream.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { QuestionKind } from "./predictor.ts";

export interface GeneratedText {
  /** The prompt and what follows, or what follows alone. */
  readonly generated_text: string;
  /** Where the option `details` asks for it. */
  readonly details?: GenerationDetails;
}

/** How an answer ended, in the words of Hugging Face's API, and its tokens. */
export interface GenerationDetails {
  readonly finish_reason: "eos_token" | "length" | "stop_sequence";
  readonly generated_tokens: number;
  /** Tokens of the prompt. */
  readonly input_length: number;
}

const finishReasons = { eos: "eos_token", length: "length", stop: "stop_sequence" } as const;

const input = z.union([z.string().transform((text) => ({ text })), z.strictObject({ text: z.string() })]);

/** Those of generation, which checks them, and: */
const options = z.looseObject({
  /** Whether answers begin with the prompt. Default true. */
  return_full_text: z.boolean().default(true),
  /** Whether answers say how they ended. Default false. */
  details: z.boolean().default(false),
});

/** A list of answers, best first; several where `num_return_sequences` asks for them. */
export const generationAnswers: QuestionKind<
  { text: string },
  z.infer<typeof options>,
  GeneratedText[],
  OpenGenerator
> = {
  input,
  options,
  async answer({ generator, tokenizer }, { text }, { return_full_text, details, ...settings }) {
    const prompt = promptIds(tokenizer, text);
    const [answers] = await generator.generate([{ ids: prompt }], settings as GenerationOptions);
    return answers!.map((answer) => {
      const added = addedText(tokenizer, prompt, withoutEnd(answer));
      const generated_text = return_full_text ? text + added : added;
      return details ? { generated_text, details: detailsOf(answer, prompt.length) } : { generated_text };
    });
  },
};

const detailsOf = ({ ids, ending }: Omit<Generated, "score">, input_length: number): GenerationDetails => ({
  finish_reason: finishReasons[ending],
  generated_tokens: ids.length,
  input_length,
});

const promptIds = (tokenizer: Tokenizer, text: string): readonly number[] =>
  tokenizer.encode(text, undefined, { addSpecialTokens: false }).ids;

/** The tokens of an answer without the one that ended it. */
export const withoutEnd = ({ ids, ending }: Generated): readonly number[] =>
  ending === "eos" ? ids.slice(0, -1) : ids;

/** The text of new tokens where they stand, since pieces of words and spaces depend on what is before them. */
function addedText(tokenizer: Tokenizer, prompt: readonly number[], ids: readonly number[]): string {
  const skip = { skipSpecialTokens: true };
  const before = tokenizer.decode(prompt, skip);
  const whole = tokenizer.decode([...prompt, ...ids], skip);
  return whole.startsWith(before) ? whole.slice(before.length) : tokenizer.decode(ids, skip);
}

/** A character of which not all bytes have come is decoded as this one. */
const incomplete = "\ufffd";

/**
 * What follows a text, in pieces as they come, and then how it ended. Leaving the loop early stops the work.
 * @throws RequestError when an option does not hold or the text is too long.
 */
export async function* streamText(
  { generator, tokenizer }: OpenGenerator,
  text: string,
  settings: GenerationOptions = {},
): AsyncGenerator<string, GenerationDetails> {
  const prompt = promptIds(tokenizer, text);
  const ends = settings.eos_token_id ?? generator.defaults.eos_token_id ?? [];
  const ids: number[] = [];
  let told = "";
  let added = "";
  let isEnded = false;
  for await (const id of streamTokens(generator, { ids: prompt }, settings)) {
    ids.push(id);
    isEnded = [ends].flat().includes(id);
    if (isEnded) break;
    added = addedText(tokenizer, prompt, ids);
    if (added.endsWith(incomplete) || !added.startsWith(told)) continue;
    if (added.length > told.length) yield added.slice(told.length);
    told = added;
  }
  if (added.startsWith(told) && added.length > told.length) yield added.slice(told.length);
  const isStopped = [settings.stop_strings ?? []].flat().some((stop) => added.includes(stop));
  return detailsOf({ ids, ending: isEnded ? "eos" : isStopped ? "stop" : "length" }, prompt.length);
}
