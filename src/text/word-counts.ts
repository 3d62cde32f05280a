/** How often each word of a corpus occurs. */

import { isSpace } from "./corpus.ts";

/**
 * Counts the stretches between runs of white space. Words are cut further once per different stretch, not once per
 * occurrence, which is what makes training fast.
 */
export class StretchCounter {
  private readonly indices = new Map<string, number>();
  private readonly counts: number[] = [];

  /** @param keepsSpace whether a stretch begins with the white space before it. */
  constructor(private readonly keepsSpace: boolean) {}

  add(text: string): void {
    let at = 0;
    while (at < text.length) {
      const spaceStart = at;
      while (at < text.length && isSpace(text.charCodeAt(at))) at++;
      const wordStart = at;
      while (at < text.length && !isSpace(text.charCodeAt(at))) at++;
      const start = this.keepsSpace ? spaceStart : wordStart;
      if (at > start) this.count(text.slice(start, at));
    }
  }

  /** Words and their counts, in the order of their first occurrence. */
  words(cut: (stretch: string) => readonly string[]): Map<string, number> {
    const words = new Map<string, number>();
    for (const [stretch, index] of this.indices) {
      for (const word of cut(stretch)) words.set(word, (words.get(word) ?? 0) + this.counts[index]!);
    }
    return words;
  }

  private count(stretch: string): void {
    const index = this.indices.get(stretch);
    if (index !== undefined) this.counts[index]!++;
    else {
      this.indices.set(copied(stretch), this.counts.length);
      this.counts.push(1);
    }
  }
}

/** A string of its own: a slice would keep the whole text that it was cut from in memory. */
const copied = (text: string): string => Buffer.from(text, "utf16le").toString("utf16le");
