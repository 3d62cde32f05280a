/**
 * From a text to its tokens: added tokens are cut out, the rest is normalised, split into words, and each word cut
 * into pieces by the model: our own, or for WordPiece that of @huggingface/tokenizers. Words are cached, and
 * what offsets need is kept for later.
 */

import { Tokenizer as Engine } from "@huggingface/tokenizers";
import { ConfigError } from "../errors.ts";
import { AddedTokenSplitter } from "./added-tokens.ts";
import { Bpe } from "./bpe.ts";
import { TokenSequence } from "./encoding.ts";
import {
  type NormalizerJson,
  normalizerFrom,
  type TextNormalizer,
  withoutLoneSurrogates,
} from "./normalizer.ts";
import { type PieceFormat, type Span, spansOf, type Word } from "./spans.ts";
import type { TokenizerConfig, TokenizerJson } from "./tokenizer-json.ts";
import { Unigram } from "./unigram.ts";

interface CutWord extends Word {
  ids: readonly number[];
}

/** A stretch of the text that was normalised as one. */
interface Section {
  start: number;
  end: number;
  words: CutWord[];
  isAdded: boolean;
}

const maxCachedWords = 50_000;
const maxCachedChars = 40;

export class Pipeline {
  readonly engine: Engine;
  readonly unkId: number | undefined;
  /** One more than the largest id. */
  readonly vocabSize: number;
  private readonly normalizer: TextNormalizer;
  private readonly rawSplitter: AddedTokenSplitter;
  private readonly normalizedSplitter: AddedTokenSplitter;
  private readonly format: PieceFormat;
  private readonly cut: (word: string) => readonly string[];
  private readonly splitsAtSpaces: boolean;
  private readonly addedIds: ReadonlyMap<string, number>;
  private readonly cache = new Map<string, CutWord>();

  constructor(json: TokenizerJson, config: TokenizerConfig) {
    const { model } = json;
    this.engine = new Engine(
      { ...json, model: engineModel(model) },
      {
        clean_up_tokenization_spaces: config.clean_up_tokenization_spaces ?? true,
      },
    );
    this.cut = cutterOf(model, this.engine);
    this.normalizer = normalizerFrom(json.normalizer as NormalizerJson | null);
    const isNormalized = (token: TokenizerJson["added_tokens"][number]) => token.normalized ?? !token.special;
    this.rawSplitter = new AddedTokenSplitter(
      json.added_tokens.filter((token) => !isNormalized(token)),
      (content) => content,
    );
    this.normalizedSplitter = new AddedTokenSplitter(json.added_tokens.filter(isNormalized), (content) =>
      this.normalizer.normalize(content),
    );
    this.addedIds = new Map(json.added_tokens.map(({ content, id }) => [content, id]));
    this.vocabSize = vocabSizeOf(json);
    const unkToken = unkTokenOf(json);
    this.unkId = unkToken === undefined ? undefined : this.idOf(unkToken);
    if (model.type === "WordPiece" && this.unkId === undefined) {
      throw new ConfigError(`model: its unknown token ${unkToken} must be in the vocabulary, but is not`);
    }
    this.format = formatOf(json);
    this.splitsAtSpaces = splitsAtSpaces(json, this.format.space);
  }

  /** The id of a token, added ones included. */
  idOf(token: string): number | undefined {
    return this.addedIds.get(token) ?? this.engine.token_to_id(token);
  }

  /** The token with this id, added ones included. */
  tokenOf(id: number): string | undefined {
    return this.engine.id_to_token(id);
  }

  tokenize(given: string): TokenSequence {
    const text = withoutLoneSurrogates(given);
    const ids: number[] = [];
    const wordIds: number[] = [];
    const sections = this.rawSplitter.split(text).map(({ start, end, token }, index) => {
      const words = token ? [this.addedWord(token, token)] : this.wordsOf(text.slice(start, end), index);
      return { start, end, words, isAdded: token !== undefined };
    });
    let wordId = 0;
    for (const word of sections.flatMap((section) => section.words)) {
      for (const id of word.ids) {
        ids.push(id);
        wordIds.push(wordId);
      }
      wordId++;
    }
    const tokens = () => ids.map((id) => this.tokenOf(id)!);
    return new TokenSequence(ids, wordIds, tokens, () => this.offsets(text, sections));
  }

  private wordsOf(text: string, index: number): CutWord[] {
    const normalized = this.normalizer.normalize(text);
    return this.normalizedSplitter.split(normalized).flatMap(({ start, end, token }) => {
      const part = normalized.slice(start, end);
      if (token) return [this.addedWord(part, token)];
      const splitter = this.engine.pre_tokenizer;
      // 0 says that the part begins the whole text, which decides about a prefix.
      const section_index = index + start;
      const words: string[] = splitter ? splitter.pre_tokenize(part, { section_index }) : [part];
      return words.flatMap((word) => this.wordsAtSpaces(word)).map((word) => this.cutWord(word));
    });
  }

  /** Cuts before each run of spaces, where no piece reaches across one. */
  private wordsAtSpaces(text: string): string[] {
    if (!this.splitsAtSpaces) return [text];
    const { space } = this.format;
    const words: string[] = [];
    let start = 0;
    for (let at = text.indexOf(space, 1); at >= 0; at = text.indexOf(space, at + 1)) {
      if (text[at - 1] === space) continue;
      words.push(text.slice(start, at));
      start = at;
    }
    return [...words, text.slice(start)];
  }

  private addedWord(text: string, token: string): CutWord {
    return { text, pieces: [token], ids: [this.addedIds.get(token)!], isAdded: true };
  }

  private cutWord(text: string): CutWord {
    const cached = this.cache.get(text);
    if (cached) return cached;
    const pieces: string[] = [];
    const ids: number[] = [];
    for (const piece of this.cut(text)) {
      const id = this.engine.token_to_id(piece) ?? this.unkId;
      if (id === undefined) continue; // a model without an unknown token leaves the piece out
      pieces.push(piece);
      ids.push(id);
    }
    const word = { text, pieces, ids, isAdded: false };
    if (text.length <= maxCachedChars) {
      if (this.cache.size >= maxCachedWords) this.cache.clear();
      this.cache.set(text, word);
    }
    return word;
  }

  private offsets(text: string, sections: readonly Section[]): Span[] {
    return sections.flatMap(({ start, end, words, isAdded }) => {
      if (isAdded) return [[start, end] as const];
      const aligned = this.normalizer.align(text.slice(start, end));
      return spansOf(aligned, words, this.format).map(([from, to]) => [from + start, to + start] as const);
    });
  }
}

type UnigramJson = Extract<TokenizerJson["model"], { type: "Unigram" }>;

const idsOf = ({ vocab, ids }: UnigramJson): Record<string, number> =>
  ids ?? Object.fromEntries(vocab.map(([piece], id) => [piece, id]));

/** The model for the engine: of those that we cut with ourselves, only the tokens and their ids. */
function engineModel(model: TokenizerJson["model"]): object {
  if (model.type === "WordPiece") return model;
  if (model.type === "BPE") return { ...model, merges: [] };
  const unk_token = model.unk_id == null ? null : model.vocab[model.unk_id]?.[0];
  return { type: "BPE", vocab: idsOf(model), merges: [], unk_token };
}

function cutterOf(model: TokenizerJson["model"], engine: Engine): (word: string) => readonly string[] {
  if (model.type === "WordPiece") return (word) => engine.model.encode([word]);
  const cutter = model.type === "BPE" ? new Bpe(model) : new Unigram(model);
  return (word) => cutter.cut(word);
}

function vocabSizeOf({ model, added_tokens }: TokenizerJson): number {
  let largest = 0;
  for (const id of Object.values(model.type === "Unigram" ? idsOf(model) : model.vocab)) {
    largest = Math.max(largest, id);
  }
  for (const { id } of added_tokens) largest = Math.max(largest, id);
  return largest + 1;
}

function unkTokenOf({ model }: TokenizerJson): string | undefined {
  if (model.type !== "Unigram") return model.unk_token ?? undefined;
  return model.unk_id == null ? undefined : model.vocab[model.unk_id]?.[0];
}

/** How this model spells pieces, which offsets depend on. */
function formatOf({ model, pre_tokenizer }: TokenizerJson): PieceFormat {
  const splitters = flatten(pre_tokenizer as PreTokenizerJson | null);
  const metaspace = splitters.find(({ type }) => type === "Metaspace");
  return {
    isByteLevel: splitters.some(({ type }) => type === "ByteLevel"),
    prefix: model.type === "WordPiece" ? model.continuing_subword_prefix : "",
    suffix: (model.type === "BPE" && model.end_of_word_suffix) || "",
    space: metaspace ? (metaspace.replacement ?? "\u2581") : "",
  };
}

/** True where a word may be cut at its spaces: the pre-tokeniser wants it, and no piece has one behind a letter. */
function splitsAtSpaces({ model, pre_tokenizer }: TokenizerJson, space: string): boolean {
  const metaspace = flatten(pre_tokenizer as PreTokenizerJson | null).find(
    ({ type }) => type === "Metaspace",
  );
  if (!metaspace || metaspace.split === false) return false;
  const pieces = model.type === "Unigram" ? model.vocab.map(([piece]) => piece) : Object.keys(model.vocab);
  return !pieces.some((piece) => {
    const at = piece.lastIndexOf(space);
    return at > 0 && piece.slice(0, at).replaceAll(space, "") !== "";
  });
}

interface PreTokenizerJson {
  type: string;
  split?: boolean | null;
  replacement?: string;
  pretokenizers?: PreTokenizerJson[];
}

const flatten = (json: PreTokenizerJson | null): PreTokenizerJson[] =>
  json ? [json, ...(json.pretokenizers ?? []).flatMap(flatten)] : [];
