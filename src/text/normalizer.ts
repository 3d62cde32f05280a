/**
 * Normalisers that can say where each normalised character came from.
 * BERT's is our own, one code point at a time, as in the Rust tokenizers: unlike a whole-string `toLowerCase` it
 * has no final-sigma rule, and CJK characters beyond U+FFFF are split too.
 */

import { type AlignedText, alignNormalized, appendAligned } from "./align.ts";
import { Charsmap } from "./charsmap.ts";
import { normalizeFunctionFrom } from "./engine-parts.ts";

export interface TextNormalizer {
  normalize(text: string): string;
  align(text: string): AlignedText;
}

/** Surrogates without a partner have no UTF-8; U+FFFD takes their place. */
export const withoutLoneSurrogates = (text: string): string => text.replace(/\p{Cs}/gu, "\uFFFD");

/** The fields of a `BertNormalizer` in tokenizer.json. */
export interface BertNormalizerConfig {
  clean_text: boolean;
  handle_chinese_chars: boolean;
  strip_accents: boolean | null; // null: as `lowercase`
  lowercase: boolean;
}

/** The blocks that BERT calls CJK: ideographs only, no kana and no hangul. */
const cjk =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B820}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/u;
const removed = /[\0\uFFFD\p{Cc}\p{Cf}\p{Co}\p{Cs}]/u;
const printableAscii = /^[\x20-\x7e]*$/;

/** Cleans, splits CJK, strips accents and lower-cases, as the config says. */
export class BertNormalizer implements TextNormalizer {
  private readonly cache = new Map<string, string>();

  constructor(private readonly config: BertNormalizerConfig) {}

  normalize(text: string): string {
    if (printableAscii.test(text)) return this.config.lowercase ? text.toLowerCase() : text;
    let result = "";
    for (const char of text) result += this.lookUp(char);
    return result;
  }

  align(text: string): AlignedText {
    const aligned: AlignedText = { text: "", starts: [], ends: [] };
    let start = 0;
    for (const char of text) {
      appendAligned(aligned, this.lookUp(char), start, start + char.length);
      start += char.length;
    }
    return aligned;
  }

  private lookUp(char: string): string {
    let result = this.cache.get(char);
    if (result === undefined) {
      result = this.convert(char);
      this.cache.set(char, result);
    }
    return result;
  }

  private convert(char: string): string {
    const { clean_text, handle_chinese_chars, strip_accents, lowercase } = this.config;
    let result = char;
    if (clean_text) {
      if (/[\t\n\r]/.test(char)) return " ";
      if (removed.test(char)) return "";
      if (/\s/.test(char)) return " ";
    }
    if (handle_chinese_chars && cjk.test(char)) result = ` ${char} `;
    if (strip_accents ?? lowercase) result = result.normalize("NFD").replace(/\p{Mn}/gu, "");
    return lowercase ? Array.from(result, (part) => part.toLowerCase()).join("") : result;
  }
}

/** The normaliser of a tokenizer.json. */
export function normalizerFrom(json: NormalizerJson | null): TextNormalizer {
  if (!json) return identityNormalizer;
  if (json.type === "BertNormalizer") return new BertNormalizer(json as BertNormalizerJson);
  const normalize = functionFrom(json);
  return { normalize, align: (text) => alignNormalized(text, normalize) };
}

/** The JSON of one normaliser; which fields there are depends on its type. */
export interface NormalizerJson {
  type: string;
  normalizers?: NormalizerJson[];
  precompiled_charsmap?: string | null; // base64
}
type BertNormalizerJson = NormalizerJson & BertNormalizerConfig;

/** Sequences and SentencePiece's tables are ours: those of @huggingface/tokenizers only approximate the tables. */
function functionFrom(json: NormalizerJson): (text: string) => string {
  if (json.type === "Sequence") {
    const parts = (json.normalizers ?? []).map(functionFrom);
    return (text) => parts.reduce((result, normalize) => normalize(result), text);
  }
  if (json.type === "Precompiled" && json.precompiled_charsmap) {
    const charsmap = new Charsmap(Buffer.from(json.precompiled_charsmap, "base64"));
    return (text) => charsmap.normalize(text);
  }
  return normalizeFunctionFrom(json);
}

/** Leaves the text as it is. */
export const identityNormalizer: TextNormalizer = {
  normalize: (text) => text,
  align(text) {
    const aligned: AlignedText = { text: "", starts: [], ends: [] };
    for (const char of text) {
      const start = aligned.text.length;
      appendAligned(aligned, char, start, start + char.length);
    }
    return aligned;
  },
};
