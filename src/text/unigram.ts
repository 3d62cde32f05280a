/**
 * The unigram language model: a word is cut into the pieces whose log probabilities have the largest sum.
 * Kudo 2018, https://arxiv.org/abs/1804.10959
 */

import { bytePiece, bytePieces } from "./byte-level.ts";
import type { TokenizerJson } from "./tokenizer-json.ts";

/** What an unknown character costs beyond the least likely piece; SentencePiece's constant. */
const unknownPenalty = 10;
const onlyPrefix = -1;

type UnigramJson = Extract<TokenizerJson["model"], { type: "Unigram" }>;

export class Unigram {
  private readonly scores: Float64Array;
  private readonly unknownScore: number;
  /** Every piece with its index, and every beginning of one. */
  private readonly prefixes = new Map<string, number>();
  private readonly byteFallback: boolean;

  constructor({ vocab, unk_id, byte_fallback }: UnigramJson) {
    this.byteFallback = byte_fallback ?? false;
    this.scores = Float64Array.from(vocab, ([, score]) => score);
    this.unknownScore = this.scores.reduce((least, score) => Math.min(least, score), 0) - unknownPenalty;
    for (const [index, [text]] of vocab.entries()) {
      const isByte = this.byteFallback && bytePiece.test(text);
      if (index !== unk_id && !isByte && text !== "") this.addPiece(text, index);
    }
  }

  /** The pieces of a word. Unknown characters that follow each other are one piece, or pieces of a byte each. */
  cut(word: string): string[] {
    const { from, known } = this.bestPath(word);
    const pieces: string[] = [];
    let unknownStart = -1; // where the last of `pieces` starts, if it is unknown
    for (let end = word.length; end > 0; end = from[end]!) {
      const start = from[end]!;
      const text = word.slice(start, end);
      if (known[end]) pieces.push(text);
      else if (this.byteFallback) pieces.push(...bytePieces(text).reverse());
      else if (unknownStart === end) pieces[pieces.length - 1] = text + pieces.at(-1)!;
      else pieces.push(text);
      unknownStart = known[end] ? -1 : start;
    }
    return pieces.reverse();
  }

  /** For each end of a piece on the best path: where it starts, and whether it is in the vocabulary. */
  private bestPath(word: string): { from: Int32Array; known: Uint8Array } {
    const best = new Float64Array(word.length + 1).fill(Number.NEGATIVE_INFINITY);
    const from = new Int32Array(word.length + 1);
    const known = new Uint8Array(word.length + 1);
    best[0] = 0;
    const offer = (start: number, end: number, score: number, isKnown: number) => {
      if (best[start]! + score <= best[end]!) return;
      best[end] = best[start]! + score;
      from[end] = start;
      known[end] = isKnown;
    };
    for (let start = 0; start < word.length; ) {
      const charEnd = start + (word.codePointAt(start)! > 0xffff ? 2 : 1);
      let isCharKnown = false;
      for (let end = charEnd; end <= word.length; end++) {
        const index = this.prefixes.get(word.slice(start, end));
        if (index === undefined) break;
        if (index === onlyPrefix) continue;
        if (end === charEnd) isCharKnown = true;
        offer(start, end, this.scores[index]!, 1);
      }
      if (!isCharKnown) offer(start, charEnd, this.unknownScore, 0);
      start = charEnd;
    }
    return { from, known };
  }

  private addPiece(text: string, index: number): void {
    this.prefixes.set(text, index);
    for (let end = text.length - 1; end > 0; end--) {
      const prefix = text.slice(0, end);
      if (this.prefixes.has(prefix)) return; // and so are its own
      this.prefixes.set(prefix, onlyPrefix);
    }
  }
}
