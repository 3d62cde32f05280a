/**
 * The normalisation that SentencePiece compiles into its models (nmt_nfkc and its like): a table from sequences of
 * characters to their replacements, of which the longest that fits is taken.
 * The file holds the size of a trie in bytes, the trie as a double array of darts-clone, and the replacements, each
 * ended by a zero byte. https://github.com/google/sentencepiece/blob/master/src/normalizer.cc
 */

import { ConfigError } from "../errors.ts";

/** Longest sequence that is looked up, in bytes; published tables hold a tenth of that. */
const maxKeyBytes = 128;

export class Charsmap {
  private readonly units: Uint32Array;
  private readonly replacements: Uint8Array;
  private readonly decoded = new Map<number, string>();

  /** @throws ConfigError when the sizes in the table do not fit each other. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const trieBytes = bytes.length >= 4 ? view.getUint32(0, true) : 0;
    if (trieBytes === 0 || trieBytes % 4 !== 0 || trieBytes + 4 > bytes.length) {
      throw new ConfigError(
        `precompiled_charsmap: its trie must fit in ${bytes.length} bytes, but has ${trieBytes}`,
      );
    }
    this.units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.replacements = bytes.subarray(4 + trieBytes);
  }

  normalize(text: string): string {
    const bytes = encoder.encode(text);
    let result = "";
    let copied = 0; // bytes before here are in the result
    for (let at = 0; at < bytes.length; ) {
      const found = this.longestAt(bytes, at);
      if (!found) at += charLength(bytes[at]!);
      else {
        result += decoder.decode(bytes.subarray(copied, at)) + this.replacementAt(found.value);
        at += found.length;
        copied = at;
      }
    }
    return copied === 0 ? text : result + decoder.decode(bytes.subarray(copied));
  }

  /** The longest key that the bytes at `at` begin with: its length and where its replacement begins. */
  private longestAt(bytes: Uint8Array, at: number): { length: number; value: number } | undefined {
    let node = offsetOf(this.units[0]!);
    let found: { length: number; value: number } | undefined;
    const end = Math.min(bytes.length, at + maxKeyBytes);
    for (let i = at; i < end; i++) {
      node ^= bytes[i]!;
      const unit = this.units[node];
      if (unit === undefined || labelOf(unit) !== bytes[i]) break;
      node ^= offsetOf(unit);
      if (hasLeaf(unit)) found = { length: i + 1 - at, value: (this.units[node] ?? 0) & 0x7fffffff };
    }
    return found;
  }

  private replacementAt(start: number): string {
    let text = this.decoded.get(start);
    if (text === undefined) {
      const end = this.replacements.indexOf(0, start);
      text = decoder.decode(this.replacements.subarray(start, end < 0 ? undefined : end));
      this.decoded.set(start, text);
    }
    return text;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Where a unit's children lie, relative to it; bit 9 says that the offset is in units of 256. */
const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
/** The byte that leads to a unit; the top bit marks values, which are no bytes. */
const labelOf = (unit: number): number => (unit & 0x800000ff) >>> 0;
const hasLeaf = (unit: number): boolean => (unit & 0x100) !== 0;

/** Bytes of the UTF-8 character with this first byte. */
const charLength = (first: number): number => (first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4);
