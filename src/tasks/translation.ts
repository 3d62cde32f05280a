/** Translations of texts, by any encoder–decoder. */

import { z } from "zod";
import type { OpenGenerator } from "../generation/open-generator.ts";
import type { GenerationOptions } from "../generation/options.ts";
import { Tensor } from "../tensor/tensor.ts";
import { maxLengthOf, type QuestionKind } from "./predictor.ts";

export interface Translation {
  readonly translation_text: string;
}

const input = z.union([z.string().transform((text) => ({ text })), z.strictObject({ text: z.string() })]);

/** Options are those of generation, which checks them. */
const options = z.looseObject({});

/** A list of translations, best first; several where `num_return_sequences` asks for them. Long texts are cut. */
export const translationAnswers: QuestionKind<
  { text: string },
  z.infer<typeof options>,
  Translation[],
  OpenGenerator
> = {
  input,
  options,
  async answer(model, { text }, settings) {
    const { generator, tokenizer } = model;
    const maxLength = maxLengthOf(model.config, tokenizer, model.folder);
    const { ids } = tokenizer.encode(text, undefined, { maxLength });
    const source = { input_ids: Tensor.from("int64", [ids.length], ids) };
    const options = { ...lengthLimit(model, maxLength), ...settings } as GenerationOptions;
    const [answers] = await generator.generate([{ source }], options);
    return answers!.map((answer) => ({
      translation_text: tokenizer.decode(answer.ids, { skipSpecialTokens: true }).trim(),
    }));
  },
};

/** As many tokens as the model has positions for, where its configuration names no length. */
function lengthLimit({ generator }: OpenGenerator, maxLength: number): GenerationOptions {
  const { max_length, max_new_tokens } = generator.defaults;
  return max_length == null && max_new_tokens == null ? { max_length: maxLength } : {};
}
