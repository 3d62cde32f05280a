/**
 * Byte-pair encoding of a word: of all neighbours that some merge joins, those of the first merge are joined, the
 * leftmost first, until none are left. Sennrich et al. 2016, https://arxiv.org/abs/1508.07909
 */

import { bytePieces } from "./byte-level.ts";
import { NumberQueue } from "./number-queue.ts";
import { PairTable } from "./pair-table.ts";
import type { TokenizerJson } from "./tokenizer-json.ts";

type BpeJson = Extract<TokenizerJson["model"], { type: "BPE" }>;

const none = -1;
/** Positions in a word are below this, so that (rank, position) is one exact number. */
const positions = 2 ** 32;

export class Bpe {
  private readonly symbols = new Map<string, number>();
  private readonly texts: string[] = [];
  /** The pairs that are joined, numbered in the order of their merges. */
  private readonly ranks = new PairTable();
  /** By rank: the symbol that the pair becomes. */
  private readonly joined: number[] = [];

  constructor(private readonly model: BpeJson) {
    for (const merge of model.merges) {
      const [left, right] = typeof merge === "string" ? (merge.split(" ") as [string, string]) : merge;
      const rank = this.ranks.indexOf(this.symbolOf(left), this.symbolOf(right));
      if (rank === this.joined.length) this.joined.push(this.symbolOf(left + right));
    }
  }

  /** The pieces of a word. Characters outside the vocabulary are pieces as they stand, or spelled in bytes. */
  cut(word: string): string[] {
    const { vocab, ignore_merges, end_of_word_suffix } = this.model;
    if (word === "") return [];
    if (ignore_merges && Object.hasOwn(vocab, word)) return [word];
    const chars = Array.from(word);
    if (end_of_word_suffix) chars[chars.length - 1] += end_of_word_suffix;
    return this.spelled(chars.length === 1 ? chars : this.join(chars));
  }

  private symbolOf(text: string): number {
    let symbol = this.symbols.get(text);
    if (symbol === undefined) {
      symbol = this.texts.push(text) - 1;
      this.symbols.set(text, symbol);
    }
    return symbol;
  }

  private join(chars: readonly string[]): string[] {
    const symbols = Int32Array.from(chars, (char) => this.symbols.get(char) ?? none);
    const before = Int32Array.from(chars, (_, i) => i - 1);
    const after = Int32Array.from(chars, (_, i) => (i + 1 < chars.length ? i + 1 : none));
    const queue = new NumberQueue();
    const rankAt = (at: number) =>
      after[at] === none ? none : this.ranks.find(symbols[at]!, symbols[after[at]!]!);
    const offer = (at: number) => {
      const rank = rankAt(at);
      if (rank !== none) queue.push(rank * positions + at);
    };
    for (let at = 0; at < chars.length; at++) offer(at);
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const at = next % positions;
      const rank = Math.floor(next / positions);
      if (rankAt(at) !== rank) continue; // a neighbour was joined meanwhile
      const second = after[at]!;
      symbols[at] = this.joined[rank]!;
      symbols[second] = none;
      after[at] = after[second]!;
      after[second] = none;
      if (after[at] !== none) before[after[at]!] = at;
      if (before[at] !== none) offer(before[at]!);
      offer(at);
    }
    const pieces: string[] = [];
    for (let at = 0; at !== none; at = after[at]!) pieces.push(this.texts[symbols[at]!] ?? chars[at]!);
    return pieces;
  }

  /** Puts bytes for pieces outside the vocabulary, or joins those that follow each other, as the model says. */
  private spelled(pieces: readonly string[]): string[] {
    const { vocab, byte_fallback, fuse_unk } = this.model;
    const result: string[] = [];
    let isAfterUnknown = false;
    for (const piece of pieces) {
      const isKnown = Object.hasOwn(vocab, piece);
      const bytes = !isKnown && byte_fallback ? bytePieces(piece) : [];
      if (bytes.length > 0 && bytes.every((byte) => Object.hasOwn(vocab, byte))) result.push(...bytes);
      else if (!isKnown && isAfterUnknown && fuse_unk) result[result.length - 1] += piece;
      else result.push(piece);
      isAfterUnknown = !isKnown;
    }
    return result;
  }
}
