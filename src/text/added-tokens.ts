/** Tokens that are cut out of a text before anything else happens to it, such as `[MASK]`. */

import type { AddedTokenJson } from "./tokenizer-json.ts";

/** A stretch of text: `token` is its content where it is an added token. */
export interface Stretch {
  start: number;
  end: number;
  token?: string;
}

/** Splits at the leftmost, then longest, added token. */
export class AddedTokenSplitter {
  private readonly pattern: RegExp | undefined;
  private readonly byText = new Map<string, AddedTokenJson>();

  /** @param textOf what to look for: the content, or its normalised form. */
  constructor(tokens: readonly AddedTokenJson[], textOf: (content: string) => string) {
    for (const token of tokens) this.byText.set(textOf(token.content), token);
    this.byText.delete("");
    const texts = [...this.byText.keys()].sort((a, b) => b.length - a.length);
    if (texts.length > 0) this.pattern = new RegExp(texts.map(escapeRegex).join("|"), "gu");
  }

  split(text: string): Stretch[] {
    if (text === "") return [];
    if (!this.pattern) return [{ start: 0, end: text.length }];
    const stretches: Stretch[] = [];
    let done = 0;
    for (const { 0: found, index } of text.matchAll(this.pattern)) {
      const token = this.byText.get(found)!;
      if (token.single_word && isInsideWord(text, index, index + found.length)) continue;
      // Blanks that an lstrip or rstrip token swallows belong to no token, so that offsets stay exact.
      const before = token.lstrip ? text.slice(done, index).trimEnd().length + done : index;
      if (before > done) stretches.push({ start: done, end: before });
      stretches.push({ start: index, end: index + found.length, token: token.content });
      done = index + found.length;
      if (token.rstrip) done = text.length - text.slice(done).trimStart().length;
    }
    if (done < text.length) stretches.push({ start: done, end: text.length });
    return stretches;
  }
}

const escapeRegex = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

const isInsideWord = (text: string, start: number, end: number): boolean =>
  /[\p{L}\p{N}_]$/u.test(text.slice(Math.max(0, start - 2), start)) ||
  /^[\p{L}\p{N}_]/u.test(text.slice(end, end + 2));
