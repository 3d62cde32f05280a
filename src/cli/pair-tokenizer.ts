/** Tokenizers of models that read pairs of images and texts: learned as a family wants them, and told to its config. */

import type { ConfigJson } from "../models/config.ts";
import { bertSpecialTokens } from "../text/bert-vocab.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { trainTokenizerOnTexts } from "../text/train-tokenizer.ts";
import { vocabularyFields } from "./initial-model.ts";

/** What BLIP's decoder begins with, and its encoder where it looks at an image. */
const blipTokens = ["[DEC]", "[ENC]"] as const;

/** CLIP's kind of tokenizer, or for BLIP one that gives captions back letter by letter. */
export const learnPairTokenizer = (
  modelType: string,
  texts: Iterable<string>,
  vocabSize: number,
): Promise<Tokenizer> =>
  modelType === "blip"
    ? trainTokenizerOnTexts(texts, {
        kind: "bpe",
        vocabSize,
        specialTokens: [...bertSpecialTokens, ...blipTokens],
      })
    : trainTokenizerOnTexts(texts, { kind: "clip", vocabSize });

/** What `text_config` says of the vocabulary. BLIP's two tokens come behind a vocabulary that lacks them. */
export function pairVocabulary({ model_type }: ConfigJson, tokenizer: Tokenizer): ConfigJson {
  if (model_type !== "blip") return vocabularyFields(tokenizer);
  const [decode, encode] = blipTokens.map(
    (token, at) => tokenizer.tokenToId(token) ?? tokenizer.vocabSize + at,
  );
  return {
    vocab_size: Math.max(tokenizer.vocabSize, decode! + 1, encode! + 1),
    pad_token_id: tokenizer.padId,
    bos_token_id: decode,
    enc_token_id: encode,
    sep_token_id: tokenizer.sepId,
  };
}
