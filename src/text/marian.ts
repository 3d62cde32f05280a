/**
 * Marian's tokenisers (Helsinki-NLP opus-mt): a SentencePiece model for each language over one `vocab.json`.
 * Junczys-Dowmunt et al. 2018, https://arxiv.org/abs/1804.00344
 */

import { ConfigError } from "../errors.ts";
import { readSentencePiece } from "./sentencepiece-file.ts";
import { sentencePieceJson } from "./sentencepiece-json.ts";
import { endTemplate } from "./template.ts";
import { Tokenizer } from "./tokenizer.ts";

export interface MarianFiles {
  "source.spm": Uint8Array;
  "target.spm": Uint8Array;
  "vocab.json": string;
}

/** What is put in front of a text to say the language that is asked for, `>>fra<<`. */
const languageCode = /^>>.+<<$/;

/**
 * A tokeniser whose `encode` reads the source language and whose `encodeTarget` the target language.
 * @throws ConfigError when a file is damaged or `vocab.json` lacks `</s>`, `<unk>` or `<pad>`.
 */
export function marianTokenizer(files: MarianFiles, config: object, where: string): Tokenizer {
  if ((config as { separate_vocabs?: unknown }).separate_vocabs === true) {
    throw new ConfigError(
      `${where}: separate_vocabs is not supported; source and target must share vocab.json`,
    );
  }
  const ids = readIds(files["vocab.json"], `${where} (vocab.json)`);
  const filled = {
    tokenizer_class: "MarianTokenizer",
    eos_token: "</s>",
    unk_token: "<unk>",
    pad_token: "<pad>",
    clean_up_tokenization_spaces: false,
    ...config,
  };
  const tokenizerOf = (name: "source.spm" | "target.spm", target?: Tokenizer) => {
    const json = marianJson(files[name], ids, `${where} (${name})`);
    return new Tokenizer(json, filled, where, { files, ...(target && { target }) });
  };
  return tokenizerOf("source.spm", tokenizerOf("target.spm"));
}

function marianJson(bytes: Uint8Array, ids: Readonly<Record<string, number>>, where: string): object {
  const special = Object.fromEntries(
    ["</s>", "<unk>", "<pad>", ...Object.keys(ids).filter((token) => languageCode.test(token))].map(
      (token) => {
        const id = ids[token];
        if (id === undefined) throw new ConfigError(`${where}: vocab.json must hold ${token}, but does not`);
        return [token, id];
      },
    ),
  );
  const model = readSentencePiece(bytes, where);
  return sentencePieceJson(model, { special, normalizers: [], postProcessor: endTemplate("</s>", ids), ids });
}

function readIds(text: string, where: string): Record<string, number> {
  try {
    return JSON.parse(text) as Record<string, number>; // its values are checked with the tokenizer.json made of it
  } catch (cause) {
    throw new ConfigError(`${where}: is not valid JSON (${(cause as Error).message})`, { cause });
  }
}
