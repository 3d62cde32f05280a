/** Tokenisers from `vocab.json` and `merges.txt`: GPT-2's, RoBERTa's and CLIP's; and from CLIP's original file. */

import { ConfigError } from "../errors.ts";
import { byteChars, byteLevelTokenizerJson } from "./byte-level.ts";
import { Tokenizer } from "./tokenizer.ts";

/** A vocabulary and its merges in their order, "left right". */
export interface BpeFiles {
  vocab: Readonly<Record<string, number>>;
  merges: readonly string[];
}

/** The lines of a `merges.txt`; its first line may name a version. */
export function readMerges(text: string, where: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines[0]?.startsWith("#version")) lines.shift();
  const merges = lines.filter((line) => line !== "");
  const bad = merges.find((line) => !/^[^ ]+ [^ ]+$/.test(line));
  if (bad === undefined) return merges;
  throw new ConfigError(
    `${where}: a line must hold two tokens and a space between, got ${JSON.stringify(bad)}`,
  );
}

const builders: Readonly<Record<string, (files: BpeFiles, config: object, where: string) => Tokenizer>> = {
  GPT2Tokenizer: gpt2Tokenizer,
  RobertaTokenizer: robertaTokenizer,
  CLIPTokenizer: clipTokenizer,
};

/**
 * The tokeniser that `tokenizer_class` names; without one, the tokens of the vocabulary tell.
 * @throws ConfigError when a token is missing or the class cuts words in another way.
 */
export function bpeTokenizer(
  files: BpeFiles,
  config: { tokenizer_class?: string | null },
  where: string,
): Tokenizer {
  const name = config.tokenizer_class?.replace(/Fast$/, "") ?? guess(files.vocab);
  const build = builders[name];
  if (build) return build(files, config, where);
  throw new ConfigError(
    `${where}: ${name} cannot be built from vocab.json and merges.txt alone; add tokenizer.json`,
  );
}

function guess(vocab: BpeFiles["vocab"]): string {
  if ("<|startoftext|>" in vocab) return "CLIPTokenizer";
  return "<s>" in vocab && "<mask>" in vocab ? "RobertaTokenizer" : "GPT2Tokenizer";
}

/** GPT-2 puts nothing around a text. */
function gpt2Tokenizer({ vocab, merges }: BpeFiles, config: object, where: string): Tokenizer {
  const end = "<|endoftext|>";
  requireTokens(vocab, [end], where);
  const addPrefixSpace = "add_prefix_space" in config && config.add_prefix_space === true;
  const parts = { vocab, merges, special: [end], postProcessor: null, addPrefixSpace };
  return new Tokenizer(
    byteLevelTokenizerJson(parts),
    {
      tokenizer_class: "GPT2Tokenizer",
      ...{ bos_token: end, eos_token: end, unk_token: end, clean_up_tokenization_spaces: false },
      ...config,
    },
    where,
  );
}

/** Liu et al. 2019, https://arxiv.org/abs/1907.11692: <s> A </s>, and <s> A </s></s> B </s>. */
function robertaTokenizer({ vocab, merges }: BpeFiles, config: object, where: string): Tokenizer {
  const special = ["<s>", "</s>", "<unk>", "<pad>", "<mask>"];
  requireTokens(vocab, special, where);
  const addPrefixSpace = "add_prefix_space" in config && config.add_prefix_space === true;
  const postProcessor = roundProcessor("<s>", "</s>", vocab);
  const json = byteLevelTokenizerJson({ vocab, merges, special, postProcessor, addPrefixSpace });
  const mask = json.added_tokens.find(({ content }) => content === "<mask>")!;
  mask.lstrip = true; // the space before a mask belongs to it
  return new Tokenizer(
    json,
    { tokenizer_class: "RobertaTokenizer", clean_up_tokenization_spaces: false, ...config },
    where,
  );
}

/**
 * Radford et al. 2021, https://arxiv.org/abs/2103.00020: lower-cased bytes, words ended by `</w>` and without spaces,
 * between a start and an end token.
 */
export function clipTokenizer({ vocab, merges }: BpeFiles, config: object, where: string): Tokenizer {
  const [start, end] = clipSpecial;
  requireTokens(vocab, [start, end], where);
  const json = byteLevelTokenizerJson({
    vocab,
    merges,
    special: [start, end],
    postProcessor: roundProcessor(start, end, vocab),
  });
  const names = { bos_token: start, eos_token: end, unk_token: end, pad_token: end };
  return new Tokenizer(
    {
      ...json,
      normalizer: clipNormalizer,
      pre_tokenizer: clipPreTokenizer,
      model: { ...json.model, unk_token: end, end_of_word_suffix: endOfWord },
    },
    { tokenizer_class: "CLIPTokenizer", ...names, model_max_length: 77, ...config },
    where,
  );
}

export const clipSpecial = ["<|startoftext|>", "<|endoftext|>"] as const;

export const clipNormalizer = {
  type: "Sequence",
  normalizers: [
    { type: "NFC" },
    { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
    { type: "Lowercase" },
  ],
};

const clipWords = "'s|'t|'re|'ve|'m|'ll|'d|\\p{L}+|\\p{N}|[^\\s\\p{L}\\p{N}]+";

export const clipPreTokenizer = {
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: clipWords }, behavior: "Removed", invert: true },
    { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
};

/** What CLIP writes behind the last piece of a word. */
export const endOfWord = "</w>";
const clipBytes = [...byteChars].sort((a, b) => a.charCodeAt(0) - b.charCodeAt(0));
/** Bytes, and bytes that end a word. */
export const clipAlphabet: readonly string[] = [...clipBytes, ...clipBytes.map((byte) => byte + endOfWord)];

/** Merges that CLIP uses of its original file, whose first line is a header. */
const clipMerges = 48_894;

/**
 * The vocabulary of CLIP's `bpe_simple_vocab_16e6.txt`: bytes, bytes that end a word, one token for each merge, and
 * the two special tokens.
 */
export function readClipVocabulary(text: string, where: string): BpeFiles {
  const merges = readMerges(text.slice(text.indexOf("\n") + 1), where).slice(0, clipMerges);
  const tokens = [...clipAlphabet, ...merges.map((merge) => merge.replace(" ", "")), ...clipSpecial];
  return { vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges };
}

const roundProcessor = (start: string, end: string, vocab: BpeFiles["vocab"]) => ({
  type: "RobertaProcessing",
  sep: [end, vocab[end]],
  cls: [start, vocab[start]],
  trim_offsets: true,
  add_prefix_space: false,
});

function requireTokens(vocab: BpeFiles["vocab"], tokens: readonly string[], where: string): void {
  const missing = tokens.find((token) => vocab[token] === undefined);
  if (missing !== undefined) throw new ConfigError(`${where}: vocab.json must hold ${missing}, but does not`);
}
