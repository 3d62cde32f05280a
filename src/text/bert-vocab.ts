/** The `tokenizer.json` that a BERT checkpoint with only a `vocab.txt` stands for. */

import { ConfigError } from "../errors.ts";
import { specialToken } from "./byte-level.ts";
import { tokenName } from "./special-tokens.ts";
import type { TokenizerConfig } from "./tokenizer-json.ts";

/** The special tokens that a BERT vocabulary holds. */
export const bertSpecialTokens: readonly string[] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/** Tokenisers that cut words exactly as BERT does. */
const bertLike =
  /^(Bert|DistilBert|Electra|MobileBert|ConvBert|SqueezeBert|LayoutLM|RoFormer)Tokenizer(Fast)?$/;

/**
 * One token a line, its id the line's number from 0. The config's `do_lower_case` (default true),
 * `tokenize_chinese_chars` (default true) and `strip_accents` (default: as lower-casing) are obeyed.
 * @param moreSpecial tokens that are special beside BERT's five.
 * @throws ConfigError when a special token is missing or the config names a tokeniser that is not BERT's.
 */
export function bertTokenizerJson(
  vocabText: string,
  config: TokenizerConfig,
  where: string,
  moreSpecial: readonly string[] = [],
): object {
  const { tokenizer_class } = config;
  if (tokenizer_class && !bertLike.test(tokenizer_class)) {
    throw new ConfigError(
      `${where}: ${tokenizer_class} cannot be built from vocab.txt alone; add tokenizer.json`,
    );
  }
  const vocab = parseVocab(vocabText);
  const required = (role: "pad" | "unk" | "cls" | "sep" | "mask"): string => {
    const name = tokenName(config[`${role}_token`]) ?? `[${role.toUpperCase()}]`;
    if (vocab[name] === undefined)
      throw new ConfigError(`${where}: the vocabulary must hold ${name}, but does not`);
    return name;
  };
  const [pad, unk, cls, sep, mask] = [
    required("pad"),
    required("unk"),
    required("cls"),
    required("sep"),
    required("mask"),
  ];
  const special = new Set([pad, unk, cls, sep, mask, ...moreSpecial]);
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: Array.from(special, (content) => specialToken(content, vocab[content]!)),
    normalizer: normalizer(config),
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: bertTemplate(cls, sep, vocab),
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: unk,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}

/** A token that comes twice keeps its last line, as in Hugging Face's reader. */
function parseVocab(text: string): Record<string, number> {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return Object.fromEntries(lines.map((token, id) => [token, id]));
}

const normalizer = (config: TokenizerConfig) => ({
  type: "BertNormalizer",
  clean_text: true,
  handle_chinese_chars: config.tokenize_chinese_chars ?? true,
  strip_accents: config.strip_accents ?? null,
  lowercase: config.do_lower_case ?? true,
});

/** [CLS] A [SEP], and [CLS] A [SEP] B [SEP] with type ids 0 and 1. */
export function bertTemplate(cls: string, sep: string, vocab: Readonly<Record<string, number>>) {
  const token = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const entry = (id: string) => ({ id, ids: [vocab[id]], tokens: [id] });
  return {
    type: "TemplateProcessing",
    single: [token(cls, 0), text("A", 0), token(sep, 0)],
    pair: [token(cls, 0), text("A", 0), token(sep, 0), text("B", 1), token(sep, 1)],
    special_tokens: { [cls]: entry(cls), [sep]: entry(sep) },
  };
}
