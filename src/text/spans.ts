/** From words and their tokens back to spans of the text they were cut from. */

import type { AlignedText } from "./align.ts";
import { byteOf, bytePiece } from "./byte-level.ts";

/** Start and end (exclusive) as JavaScript string indices. */
export type Span = readonly [start: number, end: number];

/** How a model writes a piece of a word as a token. */
export interface PieceFormat {
  isByteLevel: boolean; // one character of a token is one UTF-8 byte of the text
  prefix: string; // before a token that continues a word: WordPiece's "##"
  suffix: string; // behind a token that ends a word: CLIP's "</w>"
  space: string; // the character that stands for a space; "" for none
}

/** A word of the normalised text and the pieces the model cut it into. */
export interface Word {
  text: string; // as the pre-tokeniser wrote it
  pieces: readonly string[];
  isAdded: boolean; // an added token, written as it stands in the normalised text
}

/** The span of the original text for each piece of each word. Words must come in the text's order. */
export function spansOf(aligned: AlignedText, words: readonly Word[], format: PieceFormat): Span[] {
  const spans: Span[] = [];
  let cursor = 0;
  for (const word of words) {
    const surface = word.isAdded ? word.text : surfaceOf(word.text, format);
    const found = locate(aligned.text, surface, cursor);
    const units = unitsOf(surface, found.at - found.lead, format.isByteLevel);
    for (const [start, end] of cutWord(word, units.length, format)) {
      spans.push(originalSpan(aligned, units[start] ?? cursor, units[Math.max(start, end - 1)] ?? cursor));
    }
    cursor = Math.max(cursor, found.at + surface.length - found.lead);
  }
  return spans;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The word as it stands in the normalised text. */
function surfaceOf(word: string, format: PieceFormat): string {
  if (format.isByteLevel) return utf8.decode(Uint8Array.from(word, (char) => byteOf.get(char) ?? 0));
  return format.space === "" ? word : word.replaceAll(format.space, " ");
}

/** Where the word stands at or after the cursor; `lead` is 1 where its first space is not in the text. */
function locate(text: string, surface: string, cursor: number): { at: number; lead: number } {
  if (text.startsWith(surface, cursor)) return { at: cursor, lead: 0 };
  const isLed = surface.startsWith(" ");
  if (isLed && text.startsWith(surface.slice(1), cursor)) return { at: cursor, lead: 1 };
  const at = text.indexOf(surface, cursor);
  return { at: at < 0 ? Math.min(cursor, text.length) : at, lead: 0 };
}

/** For each unit of the word (UTF-16, or UTF-8 where byte-level): its position in the normalised text. */
function unitsOf(surface: string, at: number, isByteLevel: boolean): number[] {
  if (!isByteLevel) return Array.from({ length: surface.length }, (_, i) => at + i);
  const units: number[] = [];
  let position = at;
  for (const char of surface) {
    for (let byte = utf8Length(char); byte > 0; byte--) units.push(position);
    position += char.length;
  }
  return units;
}

/** [start, end) in units of the word for each piece; the whole word for every piece where they do not add up. */
function cutWord({ text, pieces }: Word, size: number, format: PieceFormat): Span[] {
  if (pieces.length === 1) return [[0, size]];
  const spans: Span[] = [];
  let start = 0;
  let pendingBytes = 0; // of a character that is spelled in <0x..> tokens
  for (const [i, piece] of pieces.entries()) {
    const char = charAt(text, start);
    const isByte = bytePiece.test(piece) && !text.startsWith(piece, start);
    if (isByte && pendingBytes === 0) pendingBytes = utf8Length(char);
    const length = isByte ? char.length : pieceLength(piece, i, format);
    spans.push([start, start + length]);
    if (!isByte || --pendingBytes === 0) start += length;
  }
  return start === size ? spans : pieces.map(() => [0, size] as const);
}

const charAt = (text: string, at: number): string => String.fromCodePoint(text.codePointAt(at) ?? 32);

function utf8Length(char: string): number {
  const code = char.codePointAt(0)!;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

function pieceLength(piece: string, index: number, { prefix, suffix }: PieceFormat): number {
  const isContinued = index > 0 && prefix !== "" && piece.startsWith(prefix);
  const isEnding = suffix !== "" && piece.endsWith(suffix);
  return piece.length - (isContinued ? prefix.length : 0) - (isEnding ? suffix.length : 0);
}

/** From normalised positions (both inclusive) to the original; leading blanks of a token are not part of it. */
function originalSpan({ text, starts, ends }: AlignedText, first: number, last: number): Span {
  let from = Math.max(0, first);
  const to = Math.min(Math.max(from, last), text.length - 1);
  while (from < to && /\s/.test(text[from]!)) from++;
  const start = starts[from] ?? ends.at(-1) ?? 0;
  return [start, Math.max(start, ends[to] ?? start)];
}
