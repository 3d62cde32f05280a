/**
 * What must hold of a `tokenizer.json` and a `tokenizer_config.json` before they are used: every field that we or
 * @huggingface/tokenizers rely on. Unknown fields pass.
 */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { nestsQuantifiers } from "./regex-check.ts";

/** Largest token id; a larger one is damage, and arrays are allocated by it. */
const maxTokenId = 2 ** 24;
/** Longest word cut into pieces; the search is quadratic in it. */
const maxWordChars = 1000;

const flag = z.boolean().nullish();
const tokenId = z.int().min(0).max(maxTokenId);

const pattern = z.union([
  z.looseObject({ String: z.string() }),
  z.looseObject({
    Regex: z
      .string()
      .max(4000)
      .refine((source) => !nestsQuantifiers(source), "a repeated group must not hold another repetition"),
  }),
]);

const plain = <T extends string>(...names: readonly [T, ...T[]]) => z.looseObject({ type: z.enum(names) });

const normalizer: z.ZodType = z.lazy(() =>
  z.union([
    plain("NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Lowercase"),
    z.looseObject({
      type: z.literal("BertNormalizer"),
      clean_text: flag,
      handle_chinese_chars: flag,
      strip_accents: flag,
      lowercase: flag,
    }),
    z.looseObject({ type: z.literal("Sequence"), normalizers: z.array(normalizer) }),
    z.looseObject({ type: z.literal("Replace"), pattern, content: z.string() }),
    z.looseObject({ type: z.literal("Strip"), strip_left: flag, strip_right: flag }),
    z.looseObject({ type: z.literal("Prepend"), prepend: z.string() }),
    z.looseObject({ type: z.literal("Precompiled"), precompiled_charsmap: z.string().nullish() }),
  ]),
);

const preTokenizer: z.ZodType = z.lazy(() =>
  z.union([
    plain("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Punctuation"),
    z.looseObject({ type: z.literal("Sequence"), pretokenizers: z.array(preTokenizer) }),
    z.looseObject({
      type: z.literal("Metaspace"),
      replacement: z.string().length(1).optional(),
      str_rep: z.string().optional(),
      prepend_scheme: z.enum(["always", "first", "never"]).optional(),
      split: flag,
    }),
    z.looseObject({ type: z.literal("ByteLevel"), add_prefix_space: flag, use_regex: flag }),
    z.looseObject({ type: z.literal("Split"), pattern, behavior: z.string().optional(), invert: flag }),
    z.looseObject({ type: z.literal("Digits"), individual_digits: flag }),
    z.looseObject({ type: z.literal("FixedLength"), length: z.int().min(1) }),
  ]),
);

const decoder: z.ZodType = z.lazy(() =>
  z.union([
    plain("ByteLevel", "Fuse", "ByteFallback"),
    z.looseObject({ type: z.literal("WordPiece"), prefix: z.string(), cleanup: flag }),
    z.looseObject({ type: z.literal("Metaspace"), replacement: z.string().length(1).optional() }),
    z.looseObject({ type: z.literal("BPEDecoder"), suffix: z.string().optional() }),
    z.looseObject({ type: z.literal("Sequence"), decoders: z.array(decoder) }),
    z.looseObject({ type: z.literal("Replace"), pattern, content: z.string() }),
    z.looseObject({
      type: z.literal("Strip"),
      content: z.string(),
      start: z.int().min(0).max(100),
      stop: z.int().min(0).max(100),
    }),
  ]),
);

const typeId = z.int().min(0).max(255);
const templateItem = z.union([
  z.object({ SpecialToken: z.object({ id: z.string(), type_id: typeId }) }),
  z.object({ Sequence: z.object({ id: z.enum(["A", "B"]), type_id: typeId }) }),
]);
type TemplateItemJson = z.infer<typeof templateItem>;
const namedToken = z.tuple([z.string(), tokenId]);

/** The JSON of one post-processor. */
export type PostProcessorJson =
  | { type: "TemplateProcessing"; single: TemplateItemJson[]; pair: TemplateItemJson[] }
  | { type: "BertProcessing" | "RobertaProcessing"; cls: [string, number]; sep: [string, number] }
  | { type: "ByteLevel" }
  | { type: "Sequence"; processors: PostProcessorJson[] };

const postProcessor: z.ZodType<PostProcessorJson> = z.lazy(() =>
  z.union([
    z.object({
      type: z.literal("TemplateProcessing"),
      single: z.array(templateItem),
      pair: z.array(templateItem),
    }),
    z.object({ type: z.enum(["BertProcessing", "RobertaProcessing"]), cls: namedToken, sep: namedToken }),
    z.object({ type: z.literal("ByteLevel") }),
    z.object({ type: z.literal("Sequence"), processors: z.array(postProcessor) }),
  ]),
);

/** A token → id table. Checked by hand: it has 10⁴ to 10⁶ entries. */
const vocabTable = z.custom<Record<string, number>>((value) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const ids = Object.values(value);
  const isId = (id: unknown) => Number.isInteger(id) && (id as number) >= 0 && (id as number) <= maxTokenId;
  return ids.length > 0 && ids.every(isId) && new Set(ids).size === ids.length;
}, `expected different ids from 0 to ${maxTokenId} for its tokens`);

const isMerge = (merge: unknown): boolean =>
  typeof merge === "string"
    ? /^[^ ]+ [^ ]+$/.test(merge)
    : Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === "string");

const mergeList = z.custom<string[] | [string, string][]>(
  (value) =>
    Array.isArray(value) && value.every((merge) => isMerge(merge) && typeof merge === typeof value[0]),
  "expected pairs of tokens",
);

const scoredPieces = z.custom<[string, number][]>(
  (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((piece) => Array.isArray(piece) && typeof piece[0] === "string" && Number.isFinite(piece[1])),
  "expected pairs of a token and its score",
);

const wordPiece = z.looseObject({
  type: z.literal("WordPiece"),
  vocab: vocabTable,
  unk_token: z.string(),
  continuing_subword_prefix: z.string().default("##"),
  max_input_chars_per_word: z.int().min(1).max(maxWordChars).default(100),
});
const bpe = z.looseObject({
  type: z.literal("BPE"),
  vocab: vocabTable,
  merges: mergeList,
  unk_token: z.string().nullish(),
  continuing_subword_prefix: z.string().max(0).nullish(), // no other is supported by @huggingface/tokenizers
  end_of_word_suffix: z.string().nullish(),
  byte_fallback: flag,
  ignore_merges: flag,
  fuse_unk: flag,
});
const unigram = z.looseObject({
  type: z.literal("Unigram"),
  vocab: scoredPieces,
  unk_id: z.int().min(0).nullish(),
  byte_fallback: flag,
  ids: vocabTable.optional(), // ours: Marian's ids by token, where they are not the order of the pieces
});

/** Files written before 2021 leave the model's type out. */
const model = z.preprocess(
  (value) => {
    if (typeof value !== "object" || value === null || "type" in value) return value;
    const type =
      "merges" in value ? "BPE" : "vocab" in value && Array.isArray(value.vocab) ? "Unigram" : "WordPiece";
    return { ...value, type };
  },
  z.discriminatedUnion("type", [wordPiece, bpe, unigram]),
);

const addedToken = z.looseObject({
  id: tokenId,
  content: z.string().min(1),
  special: flag,
  lstrip: flag,
  rstrip: flag,
  normalized: flag,
  single_word: flag,
});
export type AddedTokenJson = z.infer<typeof addedToken>;

const orNull = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? null);

const tokenizerJson = z.looseObject({
  added_tokens: z
    .array(addedToken)
    .nullish()
    .transform((value) => value ?? []),
  normalizer: orNull(normalizer),
  pre_tokenizer: orNull(preTokenizer),
  post_processor: orNull(postProcessor),
  decoder: orNull(decoder),
  model,
});
export type TokenizerJson = z.infer<typeof tokenizerJson>;

const tokenName = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();

const tokenizerConfig = z.looseObject({
  pad_token: tokenName,
  cls_token: tokenName,
  sep_token: tokenName,
  mask_token: tokenName,
  unk_token: tokenName,
  bos_token: tokenName,
  eos_token: tokenName,
  model_max_length: z.number().nullish(),
  clean_up_tokenization_spaces: flag,
  do_lower_case: flag,
  tokenize_chinese_chars: flag,
  strip_accents: flag,
  tokenizer_class: z.string().nullish(),
  padding_side: z.enum(["left", "right"]).nullish(),
  extra_ids: z.int().min(0).max(10_000).nullish(),
  legacy: flag,
  keep_accents: flag,
});
export type TokenizerConfig = z.infer<typeof tokenizerConfig>;

/** @throws ConfigError naming the first field that does not hold. */
export const checkTokenizerJson = (value: unknown, where: string): TokenizerJson =>
  check(tokenizerJson, value, where);

/** @throws ConfigError naming the first field that does not hold. */
export const checkTokenizerConfig = (value: unknown, where: string): TokenizerConfig =>
  check(tokenizerConfig, value, where);

function check<T extends z.ZodType>(schema: T, value: unknown, where: string): z.infer<T> {
  let result: z.ZodSafeParseResult<z.infer<T>>;
  try {
    result = schema.safeParse(value);
  } catch (cause) {
    throw new ConfigError(`${where}: is nested too deeply to be read`, { cause }); // the stack overflowed
  }
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.join(".") || "the file";
  throw new ConfigError(`${where}: ${path} is damaged or not supported (${issue?.message})`);
}
