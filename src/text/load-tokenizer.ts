/** Tokenisers from the files of a checkpoint. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { ConfigError } from "../errors.ts";
import { sharedFolder } from "../weights/variant-folder.ts";
import { bertTokenizerJson } from "./bert-vocab.ts";
import { bpeTokenizer, readClipVocabulary, readMerges } from "./bpe-files.ts";
import { marianTokenizer } from "./marian.ts";
import { spieceTokenizer } from "./sentencepiece-families.ts";
import { Tokenizer } from "./tokenizer.ts";
import { checkTokenizerConfig, type TokenizerConfig } from "./tokenizer-json.ts";

type Loader = (folder: string, config: TokenizerConfig) => Promise<Tokenizer | undefined>;

/** The files that make a tokeniser, what is asked for first coming first. */
const loaders: readonly { files: string; load: Loader }[] = [
  // A tokenizer.json beside Marian's files cannot say which piece belongs to which language.
  { files: "source.spm, target.spm and vocab.json", load: loadMarian },
  { files: "tokenizer.json", load: loadJson },
  { files: "vocab.json and merges.txt", load: loadBpe },
  { files: "vocab.txt", load: loadBert },
  { files: "spiece.model", load: loadSpiece },
  { files: "bpe_simple_vocab_16e6.txt.gz", load: loadClip },
];

/**
 * The tokeniser of a folder. `tokenizer_config.json` and `special_tokens_map.json` are read where they are; where
 * there is no tokenizer.json, the class they name decides how words are cut.
 * @throws ConfigError when the files are missing, damaged or not supported.
 */
export async function loadTokenizer(modelFolder: string): Promise<Tokenizer> {
  const folder = sharedFolder(modelFolder);
  const config = checkTokenizerConfig(
    {
      ...(await readJson(folder, "special_tokens_map.json")),
      ...(await readJson(folder, "tokenizer_config.json")),
    },
    join(folder, "tokenizer_config.json"),
  );
  for (const { load } of loaders) {
    const tokenizer = await load(folder, config);
    if (tokenizer) return tokenizer;
  }
  const sets = loaders.map(({ files }) => files).join("; ");
  throw new ConfigError(`${folder}: must hold the files of a tokeniser, but has none of: ${sets}`, {
    code: "not_found",
  });
}

async function loadJson(folder: string, config: TokenizerConfig): Promise<Tokenizer | undefined> {
  const json = await readJson(folder, "tokenizer.json");
  return json && new Tokenizer(json, config, join(folder, "tokenizer.json"));
}

async function loadBert(folder: string, config: TokenizerConfig): Promise<Tokenizer | undefined> {
  const vocab = await readText(folder, "vocab.txt");
  if (vocab === undefined) return undefined;
  const where = join(folder, "vocab.txt");
  const json = bertTokenizerJson(vocab, config, where);
  return new Tokenizer(json, { tokenizer_class: "BertTokenizer", ...config }, where);
}

async function loadBpe(folder: string, config: TokenizerConfig): Promise<Tokenizer | undefined> {
  const vocab = await readJson(folder, "vocab.json");
  const merges = await readText(folder, "merges.txt");
  if (!vocab || merges === undefined) return undefined;
  const files = {
    vocab: vocab as Record<string, number>,
    merges: readMerges(merges, join(folder, "merges.txt")),
  };
  return bpeTokenizer(files, config, join(folder, "vocab.json"));
}

async function loadMarian(folder: string, config: TokenizerConfig): Promise<Tokenizer | undefined> {
  const source = await readBytes(folder, "source.spm");
  const target = await readBytes(folder, "target.spm");
  const vocab = await readText(folder, "vocab.json");
  if (!source || !target || vocab === undefined) return undefined;
  const files = { "source.spm": source, "target.spm": target, "vocab.json": vocab };
  return marianTokenizer(files, config, folder);
}

async function loadSpiece(folder: string, config: TokenizerConfig): Promise<Tokenizer | undefined> {
  const bytes = await readBytes(folder, "spiece.model");
  return bytes && spieceTokenizer(bytes, config, join(folder, "spiece.model"));
}

async function loadClip(folder: string, config: TokenizerConfig): Promise<Tokenizer | undefined> {
  const name = "bpe_simple_vocab_16e6.txt.gz";
  const bytes = await readBytes(folder, name);
  if (!bytes) return undefined;
  const where = join(folder, name);
  let text: string;
  try {
    text = gunzipSync(bytes).toString("utf8");
  } catch (cause) {
    throw new ConfigError(`${where}: is damaged gzip (${(cause as Error).message})`, { cause });
  }
  const files = readClipVocabulary(text, where);
  return bpeTokenizer(files, { tokenizer_class: "CLIPTokenizer", ...config }, where);
}

async function readJson(folder: string, name: string): Promise<object | undefined> {
  const text = await readText(folder, name);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(`${join(folder, name)}: is not valid JSON (${(cause as Error).message})`, {
      cause,
    });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new ConfigError(`${join(folder, name)}: must hold a JSON object`);
}

/** The file's text, `undefined` where there is no such file. @throws ConfigError when it is not UTF-8. */
async function readText(folder: string, name: string): Promise<string | undefined> {
  const bytes = await readBytes(folder, name);
  if (!bytes) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigError(`${join(folder, name)}: is not UTF-8 text`, { cause });
  }
}

async function readBytes(folder: string, name: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(join(folder, name));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new ConfigError(`${join(folder, name)}: cannot be read (${(cause as Error).message})`, { cause });
  }
}
