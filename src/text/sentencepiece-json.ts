/** The `tokenizer.json` that a SentencePiece model stands for. */

import { specialToken } from "./byte-level.ts";
import { type Piece, pieceTypes, type SentencePieceModel } from "./sentencepiece-file.ts";

/** What a model family adds to its SentencePiece model. */
export interface SentencePieceUse {
  /** Tokens with their ids that are cut out of a text as they stand, beside the model's control pieces. */
  special: Readonly<Record<string, number>>;
  /** Normalisers before the model's own. */
  normalizers: readonly object[];
  postProcessor: object;
  /** Ids by token, where they are not the model's (Marian's `vocab.json`). */
  ids?: Readonly<Record<string, number>>;
  /** Whether text behind a special token begins a word as the whole text does; default true. */
  prefixesEverySection?: boolean;
}

const space = "▁";

export function sentencePieceJson(model: SentencePieceModel, use: SentencePieceUse): object {
  const prefix = prefixOf(model, use);
  const normalizers = [...use.normalizers, ...normalizersOf(model)];
  if (prefix === "normalizer") normalizers.push({ type: "Prepend", prepend: " " });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(model, use),
    normalizer: { type: "Sequence", normalizers },
    pre_tokenizer: {
      type: "Metaspace",
      replacement: space,
      prepend_scheme: prefix === "normalizer" ? "never" : prefix,
      split: true,
    },
    post_processor: use.postProcessor,
    decoder: { type: "Sequence", decoders: decodersOf(model) },
    model: model.kind === "unigram" ? unigramModel(model, use.ids) : bpeModel(model, use.ids),
  };
}

/**
 * Who puts the space before a text: the pre-tokeniser, which adds none to one that is there, or the normaliser, which
 * always does. What stands behind a user-defined piece gets none.
 */
function prefixOf(
  { pieces, addDummyPrefix, removeExtraWhitespace }: SentencePieceModel,
  { prefixesEverySection = true }: SentencePieceUse,
): "never" | "first" | "always" | "normalizer" {
  if (!addDummyPrefix) return "never";
  if (!prefixesEverySection || pieces.some(({ type }) => type === pieceTypes.userDefined)) return "first";
  return removeExtraWhitespace ? "always" : "normalizer";
}

/** Control pieces and special tokens; user-defined pieces too, which are found after normalisation. */
function addedTokens({ pieces }: SentencePieceModel, { special, ids }: SentencePieceUse): object[] {
  const tokens = new Map<string, object>();
  for (const [index, { text, type }] of pieces.entries()) {
    const id = ids ? ids[text] : index;
    if (id === undefined) continue;
    if (type === pieceTypes.control || type === pieceTypes.unknown) tokens.set(text, specialToken(text, id));
    if (type === pieceTypes.userDefined) {
      tokens.set(text, { ...specialToken(text, id), special: false, normalized: true });
    }
  }
  for (const [token, id] of Object.entries(special)) tokens.set(token, specialToken(token, id));
  return [...tokens.values()];
}

function normalizersOf({ charsmap, removeExtraWhitespace, addDummyPrefix }: SentencePieceModel): object[] {
  const normalizers: object[] = [];
  if (charsmap.length > 0) {
    const precompiled_charsmap = Buffer.from(charsmap).toString("base64");
    normalizers.push({ type: "Precompiled", precompiled_charsmap });
  }
  if (removeExtraWhitespace) {
    normalizers.push({ type: "Replace", pattern: { Regex: " {2,}" }, content: " " });
    normalizers.push({ type: "Replace", pattern: { Regex: " \\z" }, content: "" });
    if (!addDummyPrefix) normalizers.push({ type: "Replace", pattern: { Regex: "\\A " }, content: "" });
  }
  return normalizers;
}

function decodersOf({ addDummyPrefix, byteFallback }: SentencePieceModel): object[] {
  const decoders: object[] = [{ type: "Replace", pattern: { String: space }, content: " " }];
  if (byteFallback) decoders.push({ type: "ByteFallback" });
  decoders.push({ type: "Fuse" });
  if (addDummyPrefix) decoders.push({ type: "Strip", content: " ", start: 1, stop: 0 });
  return decoders;
}

function unigramModel(model: SentencePieceModel, ids: SentencePieceUse["ids"]): object {
  return {
    type: "Unigram",
    unk_id: model.unkId,
    vocab: scoredPieces(model.pieces),
    byte_fallback: model.byteFallback,
    ...(ids && { ids }),
  };
}

/** Further below all others than any path of pieces costs. */
export const neverScore = -1e6;

/** Pieces that are out of use stay for their ids, with a score that no path takes. */
const scoredPieces = (pieces: readonly Piece[]): [string, number][] =>
  pieces.map(({ text, score, type }) => [text, type === pieceTypes.unused ? neverScore : score]);

function bpeModel(model: SentencePieceModel, ids: SentencePieceUse["ids"]): object {
  return {
    type: "BPE",
    unk_token: model.pieces[model.unkId]!.text,
    fuse_unk: true,
    byte_fallback: model.byteFallback,
    vocab: ids ?? Object.fromEntries(model.pieces.map(({ text }, id) => [text, id])),
    merges: mergesOf(model.pieces),
  };
}

/** Every way to make a piece of two others, the pieces in the order of their scores. */
function mergesOf(pieces: readonly Piece[]): [string, string][] {
  const known = new Map(pieces.map(({ text }, id) => [text, id]));
  const merges: { parts: [string, string]; score: number }[] = [];
  for (const { text, score, type } of pieces) {
    if (type !== pieceTypes.normal) continue;
    for (let cut = 1; cut < text.length; cut++) {
      const parts: [string, string] = [text.slice(0, cut), text.slice(cut)];
      if (known.has(parts[0]) && known.has(parts[1])) merges.push({ parts, score });
    }
  }
  return merges.sort((a, b) => b.score - a.score).map(({ parts }) => parts);
}
