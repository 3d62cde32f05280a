/** Single parts of @huggingface/tokenizers, which exports its types only for the whole. */

import { Tokenizer as Engine } from "@huggingface/tokenizers";

interface EngineParts {
  normalizer: { normalize(text: string): string };
  pre_tokenizer: { pre_tokenize(text: string): string[] };
}

/** The function of a `pre_tokenizer`: a text to its words. */
export function preTokenizerFrom(pre_tokenizer: object): (text: string) => string[] {
  const engine = engineOf({ pre_tokenizer });
  return (text) => engine.pre_tokenizer.pre_tokenize(text);
}

/** The function of a `normalizer`. */
export function normalizeFunctionFrom(normalizer: object): (text: string) => string {
  const engine = engineOf({ normalizer });
  return (text) => engine.normalizer.normalize(text);
}

const engineOf = (part: object): EngineParts =>
  new Engine(
    {
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      added_tokens: [],
      model: { type: "BPE", vocab: {}, merges: [] },
      ...part,
    },
    {},
  );
