/** Tokenisers from the files of a checkpoint. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { bertTokenizerJson } from "./bert-vocab.ts";
import { Tokenizer } from "./tokenizer.ts";
import { checkTokenizerConfig } from "./tokenizer-json.ts";

/**
 * The tokeniser of a folder with `tokenizer.json`, or with BERT's `vocab.txt` alone; `tokenizer_config.json` and
 * `special_tokens_map.json` are read where they are.
 * @throws ConfigError when a file is missing, damaged or not supported.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const config = {
    ...(await readJson(folder, "special_tokens_map.json")),
    ...(await readJson(folder, "tokenizer_config.json")),
  };
  const json = await readJson(folder, "tokenizer.json");
  const where = join(folder, json ? "tokenizer.json" : "vocab.txt");
  if (json) return new Tokenizer(json, config, where);
  const vocab = await readText(folder, "vocab.txt");
  if (vocab === undefined) {
    throw new ConfigError(`${folder}: must hold tokenizer.json or vocab.txt, but has neither`, {
      code: "not_found",
    });
  }
  const checked = checkTokenizerConfig(config, where);
  return new Tokenizer(
    bertTokenizerJson(vocab, checked, where),
    { tokenizer_class: "BertTokenizer", ...config },
    where,
  );
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
  const path = join(folder, name);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new ConfigError(`${path}: cannot be read as UTF-8 text (${(cause as Error).message})`, { cause });
  }
}
