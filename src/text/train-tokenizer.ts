/**
 * Tokenisers learned from a corpus: BERT's WordPiece, and byte-level BPE as GPT-2's or, lower-cased, as CLIP's.
 * Both vocabularies grow by joining the most frequent pair of neighbours (`learn-merges.ts`), as in Hugging Face's
 * trainers; the original WordPiece was never published. The same corpus and options give the same files.
 */

import { ConfigError } from "../errors.ts";
import { bertSpecialTokens, bertTemplate, bertTokenizerJson } from "./bert-vocab.ts";
import {
  clipAlphabet,
  clipNormalizer,
  clipPreTokenizer,
  clipSpecial,
  clipTokenizer,
  endOfWord,
} from "./bpe-files.ts";
import { byteChars, byteLevelTokenizerJson } from "./byte-level.ts";
import { readCorpus } from "./corpus.ts";
import { normalizeFunctionFrom, preTokenizerFrom } from "./engine-parts.ts";
import { type CountedWord, learnMerges } from "./learn-merges.ts";
import { BertNormalizer, withoutLoneSurrogates } from "./normalizer.ts";
import { endTemplate } from "./template.ts";
import { Tokenizer } from "./tokenizer.ts";
import { StretchCounter } from "./word-counts.ts";

/** What all kinds take. */
interface CommonTrainingOptions {
  /** Most tokens, special ones and single characters included. A small corpus gives fewer. */
  vocabSize: number;
  /** Pairs that occur less often are not joined; from 1, default 2. */
  minFrequency?: number;
  /**
   * The first ids. Default: BERT's five for wordpiece, which must be among them, and `<|endoftext|>` for bpe.
   * A bpe tokeniser with `</s>` puts it behind each text, as T5 and Marian do; one with `[CLS]` and `[SEP]` puts them
   * around it, as BERT does.
   */
  specialTokens?: readonly string[];
}

export interface WordPieceTrainingOptions extends CommonTrainingOptions {
  kind: "wordpiece";
  /** Default true. */
  lowercase?: boolean;
  /** Default: as `lowercase`. */
  stripAccents?: boolean;
  /** Whether each Chinese character is a word; default true. */
  splitChinese?: boolean;
  /** Most different characters, the most frequent ones; default a quarter of `vocabSize`. */
  alphabetLimit?: number;
}

export interface BpeTrainingOptions extends CommonTrainingOptions {
  kind: "bpe";
}

/** Its special tokens are CLIP's and come last. */
export interface ClipTrainingOptions extends Omit<CommonTrainingOptions, "specialTokens"> {
  kind: "clip";
}

export type TokenizerTrainingOptions = WordPieceTrainingOptions | BpeTrainingOptions | ClipTrainingOptions;

/**
 * Learns a tokeniser from text files, gzipped or not, and folders of them; several are one corpus.
 * @throws ConfigError when a file cannot be read or an option is out of its range.
 */
export const trainTokenizer = (
  paths: readonly string[],
  options: TokenizerTrainingOptions,
): Promise<Tokenizer> => trainTokenizerOnTexts(readCorpus(paths), options);

/** Learns a tokeniser from texts in memory or from anywhere else. No word spans two texts. */
export async function trainTokenizerOnTexts(
  texts: Iterable<string> | AsyncIterable<string>,
  options: TokenizerTrainingOptions,
): Promise<Tokenizer> {
  checkOptions(options);
  const counter = new StretchCounter(options.kind === "bpe");
  for await (const text of texts) counter.add(withoutLoneSurrogates(text));
  if (options.kind === "clip") return trainClip(counter, options);
  return options.kind === "bpe" ? trainByteLevel(counter, options) : trainWordPiece(counter, options);
}

function checkOptions(options: TokenizerTrainingOptions): void {
  const { vocabSize, minFrequency = 2 } = options;
  const specialTokens = ("specialTokens" in options && options.specialTokens) || [];
  for (const [name, value] of Object.entries({ vocabSize, minFrequency })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new ConfigError(`trainTokenizer: ${name} must be a whole number from 1, got ${value}`);
    }
  }
  const isBad = (token: string) => token === "" || /[\s\p{Cs}]/u.test(token);
  const bad = specialTokens.find((token, i) => isBad(token) || specialTokens.indexOf(token) !== i);
  if (bad !== undefined) {
    throw new ConfigError(
      `trainTokenizer: specialTokens must be different and without white space, got ${JSON.stringify(bad)}`,
    );
  }
}

function trainByteLevel(counter: StretchCounter, options: BpeTrainingOptions): Tokenizer {
  const { specialTokens = ["<|endoftext|>"], vocabSize, minFrequency = 2 } = options;
  const split = preTokenizerFrom({ type: "ByteLevel", add_prefix_space: false });
  const alphabet = [...specialTokens, ...byteChars];
  checkRoom(alphabet.length, vocabSize);
  const words = wordsOver(alphabet, counter.words(split), (word) => [...word]);
  const join = (left: string, right: string) => left + right;
  const { tokens, merges } = learnMerges(alphabet, words, { vocabSize, minFrequency, join });
  const vocab = numbered(tokens);
  const json = byteLevelTokenizerJson({
    vocab,
    merges,
    special: specialTokens,
    postProcessor: templateOf(specialTokens, vocab),
  });
  return new Tokenizer(json, { clean_up_tokenization_spaces: false }, "the trained tokenizer");
}

/** What stands around each text, as the special tokens tell. */
function templateOf(specialTokens: readonly string[], vocab: Readonly<Record<string, number>>) {
  if (specialTokens.includes("</s>")) return endTemplate("</s>", vocab);
  const isBertLike = ["[CLS]", "[SEP]"].every((token) => specialTokens.includes(token));
  return isBertLike ? bertTemplate("[CLS]", "[SEP]", vocab) : null;
}

function trainClip(counter: StretchCounter, { vocabSize, minFrequency = 2 }: ClipTrainingOptions): Tokenizer {
  const normalize = normalizeFunctionFrom(clipNormalizer);
  const split = preTokenizerFrom(clipPreTokenizer);
  checkRoom(clipAlphabet.length + clipSpecial.length, vocabSize);
  const room = vocabSize - clipSpecial.length;
  const pieces = (word: string): string[] => [...word.slice(0, -1), word.at(-1)! + endOfWord];
  const counts = counter.words((stretch) => split(normalize(stretch)));
  const words = wordsOver(clipAlphabet, counts, pieces);
  const join = (left: string, right: string) => left + right;
  const { tokens, merges } = learnMerges(clipAlphabet, words, { vocabSize: room, minFrequency, join });
  const files = {
    vocab: numbered([...tokens, ...clipSpecial]),
    merges: merges.map((pair) => pair.join(" ")),
  };
  return clipTokenizer(files, {}, "the trained tokenizer");
}

/** Longer words are unknown to WordPiece. */
const maxWordChars = 100;
const continued = "##";

function trainWordPiece(counter: StretchCounter, options: WordPieceTrainingOptions): Tokenizer {
  const { specialTokens = bertSpecialTokens, vocabSize, minFrequency = 2 } = options;
  const config = {
    do_lower_case: options.lowercase ?? true,
    strip_accents: options.stripAccents ?? null,
    tokenize_chinese_chars: options.splitChinese ?? true,
  };
  const counts = bertWords(counter, config);
  const limit = options.alphabetLimit ?? Math.floor(vocabSize / 4);
  const alphabet = [...specialTokens, ...pieceAlphabet(counts, limit)];
  checkRoom(alphabet.length, vocabSize);
  const words = wordsOver(alphabet, counts, symbolsOf);
  const join = (left: string, right: string) => left + right.slice(continued.length);
  const { tokens } = learnMerges(alphabet, words, { vocabSize, minFrequency, join });
  const json = bertTokenizerJson(tokens.join("\n"), config, "trainTokenizer", specialTokens);
  return new Tokenizer(json, { tokenizer_class: "BertTokenizer", ...config }, "the trained tokenizer");
}

interface BertConfig {
  do_lower_case: boolean;
  strip_accents: boolean | null;
  tokenize_chinese_chars: boolean;
}

/** The words that BERT's tokeniser would cut into pieces. */
function bertWords(counter: StretchCounter, config: BertConfig): Map<string, number> {
  const normalizer = new BertNormalizer({
    clean_text: true,
    handle_chinese_chars: config.tokenize_chinese_chars,
    strip_accents: config.strip_accents,
    lowercase: config.do_lower_case,
  });
  const split = preTokenizerFrom({ type: "BertPreTokenizer" });
  const words = counter.words((stretch) => split(normalizer.normalize(stretch)));
  for (const word of words.keys()) if (word.length > maxWordChars) words.delete(word);
  return words;
}

/** A word's characters; those after the first continue it. */
const symbolsOf = (word: string): string[] =>
  Array.from(word, (char, i) => (i === 0 ? char : continued + char));

/**
 * The `limit` most frequent characters by their code points, then the continuing forms of those that are part of a
 * longer word somewhere: such a character may stand at its start or inside, punctuation and Chinese ones only alone.
 */
function pieceAlphabet(words: ReadonlyMap<string, number>, limit: number): string[] {
  const charCounts = new Map<string, number>();
  const letters = new Set<string>();
  for (const [word, count] of words) {
    const chars = Array.from(word);
    for (const char of chars) {
      charCounts.set(char, (charCounts.get(char) ?? 0) + count);
      if (chars.length > 1) letters.add(char);
    }
  }
  const byCount = [...charCounts].sort(([a, m], [b, n]) => n - m || byCodePoint(a, b));
  const chars = byCount.slice(0, limit).map(([char]) => char);
  chars.sort(byCodePoint);
  return [...chars, ...chars.filter((char) => letters.has(char)).map((char) => continued + char)];
}

const byCodePoint = (a: string, b: string): number => a.codePointAt(0)! - b.codePointAt(0)!;

/** The words in ids; one with a character outside the alphabet is unknown and teaches nothing. */
function wordsOver(
  alphabet: readonly string[],
  counts: ReadonlyMap<string, number>,
  cut: (word: string) => readonly string[],
): CountedWord[] {
  const ids = new Map(alphabet.map((token, id) => [token, id]));
  const words: CountedWord[] = [];
  for (const [word, count] of counts) {
    const symbols = cut(word).map((symbol) => ids.get(symbol));
    if (symbols.every((id) => id !== undefined)) words.push({ symbols, count });
  }
  return words;
}

function checkRoom(needed: number, vocabSize: number): void {
  if (needed <= vocabSize) return;
  throw new ConfigError(
    `trainTokenizer: vocabSize must be at least ${needed}, the special tokens and single characters, got ${vocabSize}`,
  );
}

const numbered = (tokens: readonly string[]): Record<string, number> =>
  Object.fromEntries(tokens.map((token, id) => [token, id]));
