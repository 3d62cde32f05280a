/**
 * How BLEU cuts texts into words: the tokenizers of sacreBLEU, whose scores are compared across papers.
 * Post 2018, https://arxiv.org/abs/1804.08771
 */

type Rule = readonly [pattern: RegExp, replacement: string];

const apply = (text: string, rules: readonly Rule[]): string =>
  rules.reduce((result, [pattern, replacement]) => result.replace(pattern, replacement), text);

/** What Python's `str.split()` splits at. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python's separators are among them
const space = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

const words = (text: string): string[] => text.split(space).filter((word) => word !== "");

/** Splits punctuation of Western languages off; commas, full stops and dashes stay inside numbers. */
const western: readonly Rule[] = [
  [/([{-~[-` -&(-+:-@/])/gu, " $1 "],
  [/([^0-9])([.,])/gu, "$1 $2 "],
  [/([.,])([^0-9])/gu, " $1 $2"],
  [/([0-9])(-)/gu, "$1 $2 "],
];

const entities: readonly Rule[] = [
  [/<skipped>/g, ""],
  [/-\n/g, ""],
  [/\n/g, " "],
  [/&quot;/g, '"'],
  [/&amp;/g, "&"],
  [/&lt;/g, "<"],
  [/&gt;/g, ">"],
];

/** Punctuation and symbols of any script; punctuation stays inside numbers. */
const international: readonly Rule[] = [
  [/(\P{N})(\p{P})/gu, "$1 $2 "],
  [/(\p{P})(\P{N})/gu, " $1 $2"],
  [/(\p{S})/gu, " $1 "],
];

/** Characters that are words of their own; as in sacreBLEU with U+2001 – U+2A6D, where it means extension B. */
const chinese =
  /([\u2001-\u2a6d\u2e80-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u4db5\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef])/gu;

/** Words of a text by the name of the tokenizer. */
export const bleuTokenizers = {
  /** Of the WMT evaluations, `mteval-v13a`. */
  "13a": (text: string) => words(apply(` ${apply(text, entities)} `, western)),
  /** Of any language with spaces. */
  intl: (text: string) => words(apply(text, international)),
  /** Of Chinese: every character is a word. */
  zh: (text: string) => words(apply(text.replace(chinese, " $1 "), western)),
  char: (text: string) => words([...text].join(" ")),
  none: words,
} as const satisfies Record<string, (text: string) => string[]>;

export type BleuTokenizer = keyof typeof bleuTokenizers;
