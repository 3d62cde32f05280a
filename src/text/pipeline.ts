/**
 * From a text to its tokens: added tokens are cut out, the rest is normalised, split into words, and each word cut
 * into pieces by the model of @huggingface/tokenizers. Words are cached, and what offsets need is kept for later.
 */

import { Tokenizer as Engine } from "@huggingface/tokenizers";
import { ConfigError } from "../errors.ts";
import { AddedTokenSplitter } from "./added-tokens.ts";
import { TokenSequence } from "./encoding.ts";
import {
  BertNormalizer,
  type BertNormalizerConfig,
  comparedNormalizer,
  identityNormalizer,
  type TextNormalizer,
} from "./normalizer.ts";
import { type PieceFormat, type Span, spansOf, type Word } from "./spans.ts";
import type { TokenizerConfig, TokenizerJson } from "./tokenizer-json.ts";

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
  private readonly addedIds: ReadonlyMap<string, number>;
  private readonly cache = new Map<string, CutWord>();

  constructor(json: TokenizerJson, config: TokenizerConfig) {
    this.engine = new Engine(json, {
      clean_up_tokenization_spaces: config.clean_up_tokenization_spaces ?? true,
    });
    this.normalizer = normalizerOf(json, this.engine);
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
    if (json.model.type === "WordPiece" && this.unkId === undefined) {
      throw new ConfigError(`model: its unknown token ${unkToken} must be in the vocabulary, but is not`);
    }
    this.format = formatOf(json, unkToken);
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
    const text = given.replace(/\p{Cs}/gu, "\uFFFD"); // lone surrogates have no UTF-8
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
      const words: string[] = splitter ? splitter.pre_tokenize(part, { section_index: index }) : [part];
      return words.map((word) => this.cutWord(word));
    });
  }

  private addedWord(text: string, token: string): CutWord {
    return { text, pieces: [token], ids: [this.addedIds.get(token)!], isAdded: true };
  }

  private cutWord(text: string): CutWord {
    const cached = this.cache.get(text);
    if (cached) return cached;
    const pieces: string[] = [];
    const ids: number[] = [];
    for (const piece of this.engine.model!.encode([text])) {
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

function vocabSizeOf({ model, added_tokens }: TokenizerJson): number {
  let largest = model.type === "Unigram" ? model.vocab.length - 1 : 0;
  if (model.type !== "Unigram") for (const id of Object.values(model.vocab)) largest = Math.max(largest, id);
  for (const { id } of added_tokens) largest = Math.max(largest, id);
  return largest + 1;
}

function unkTokenOf({ model }: TokenizerJson): string | undefined {
  if (model.type !== "Unigram") return model.unk_token ?? undefined;
  return model.unk_id == null ? undefined : model.vocab[model.unk_id]?.[0];
}

function normalizerOf(json: TokenizerJson, engine: Engine): TextNormalizer {
  const { normalizer } = engine;
  if (!normalizer) return identityNormalizer;
  const config = json.normalizer as { type: string } & BertNormalizerConfig;
  return config.type === "BertNormalizer"
    ? new BertNormalizer(config)
    : comparedNormalizer((text) => normalizer.normalize(text));
}

/** How this model spells pieces, which offsets depend on. */
function formatOf({ model, pre_tokenizer }: TokenizerJson, unknown: string | undefined): PieceFormat {
  const splitters = flatten(pre_tokenizer as PreTokenizerJson | null);
  const metaspace = splitters.find(({ type }) => type === "Metaspace");
  return {
    isByteLevel: splitters.some(({ type }) => type === "ByteLevel"),
    prefix: model.type === "WordPiece" ? model.continuing_subword_prefix : "",
    suffix: (model.type === "BPE" && model.end_of_word_suffix) || "",
    space: metaspace ? (metaspace.replacement ?? "\u2581") : "",
    unknown,
  };
}

interface PreTokenizerJson {
  type: string;
  replacement?: string;
  pretokenizers?: PreTokenizerJson[];
}

const flatten = (json: PreTokenizerJson | null): PreTokenizerJson[] =>
  json ? [json, ...(json.pretokenizers ?? []).flatMap(flatten)] : [];
