/** T5's and XLNet's tokenisers from their `spiece.model`. */

import { ConfigError } from "../errors.ts";
import { readSentencePiece, type SentencePieceModel } from "./sentencepiece-file.ts";
import { sentencePieceJson } from "./sentencepiece-json.ts";
import { endTemplate } from "./template.ts";
import { Tokenizer } from "./tokenizer.ts";
import { checkTokenizerConfig, type TokenizerConfig } from "./tokenizer-json.ts";

/**
 * The tokeniser that `tokenizer_class` names; without one, a model with `<sep>` and `<cls>` is XLNet's and any other
 * T5's. T5's `extra_ids` and `legacy`, and XLNet's `do_lower_case` and `keep_accents` are obeyed.
 * @throws ConfigError when the file is damaged or of another family.
 */
export function spieceTokenizer(bytes: Uint8Array, given: object, where: string): Tokenizer {
  const config = checkTokenizerConfig(given, where);
  const model = readSentencePiece(bytes, where);
  const ids = Object.fromEntries(model.pieces.map(({ text }, id) => [text, id]));
  const name = config.tokenizer_class?.replace(/Fast$/, "") ?? guess(ids);
  if (name === "XLNetTokenizer") return xlnetTokenizer(model, ids, config, where);
  if (name === "T5Tokenizer") return t5Tokenizer(model, ids, config, where);
  throw new ConfigError(`${where}: ${name} cannot be built from spiece.model alone; add tokenizer.json`);
}

const guess = (ids: Readonly<Record<string, number>>): string =>
  "<sep>" in ids && "<cls>" in ids ? "XLNetTokenizer" : "T5Tokenizer";

type Ids = Readonly<Record<string, number>>;

/** Raffel et al. 2019, https://arxiv.org/abs/1910.10683: `</s>` behind each text, sentinels counted down from the end. */
function t5Tokenizer(model: SentencePieceModel, ids: Ids, config: TokenizerConfig, where: string): Tokenizer {
  const extraIds = config.extra_ids ?? 100;
  const special: Record<string, number> = required(ids, ["</s>"], where);
  const newSentinels = Array.from({ length: extraIds }, (_, i) => `<extra_id_${extraIds - 1 - i}>`);
  let nextId = model.pieces.length;
  for (const sentinel of newSentinels) special[sentinel] = ids[sentinel] ?? nextId++;
  const json = sentencePieceJson(model, {
    special,
    normalizers: [],
    postProcessor: endTemplate("</s>", ids),
    prefixesEverySection: config.legacy !== false,
  });
  const names = { tokenizer_class: "T5Tokenizer", eos_token: "</s>", unk_token: "<unk>", pad_token: "<pad>" };
  return new Tokenizer(json, { ...names, clean_up_tokenization_spaces: false, ...config }, where);
}

const xlnetNames = {
  tokenizer_class: "XLNetTokenizer",
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  sep_token: "<sep>",
  pad_token: "<pad>",
  cls_token: "<cls>",
  mask_token: "<mask>",
  padding_side: "left",
  clean_up_tokenization_spaces: false,
};

/** Yang et al. 2019, https://arxiv.org/abs/1906.08237: text `<sep>` `<cls>`, padded on the left. */
function xlnetTokenizer(
  model: SentencePieceModel,
  ids: Ids,
  config: TokenizerConfig,
  where: string,
): Tokenizer {
  const json = sentencePieceJson(model, {
    special: required(ids, ["<sep>", "<cls>", "<pad>", "<mask>"], where),
    normalizers: xlnetNormalizers(config),
    postProcessor: xlnetTemplate(ids),
  });
  return new Tokenizer(json, { ...xlnetNames, ...config }, where);
}

const replaced = (text: string) => ({ type: "Replace", pattern: { String: text }, content: '"' });

function xlnetNormalizers({ keep_accents, do_lower_case }: TokenizerConfig): object[] {
  const normalizers: object[] = [replaced("``"), replaced("''")];
  if (!keep_accents) normalizers.push({ type: "NFKD" }, { type: "StripAccents" });
  if (do_lower_case) normalizers.push({ type: "Lowercase" });
  return normalizers;
}

/** The classification token has a type id of its own, 2. */
function xlnetTemplate(ids: Ids) {
  const token = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: "A" | "B", type_id: number) => ({ Sequence: { id, type_id } });
  const entry = (id: string) => ({ id, ids: [ids[id]], tokens: [id] });
  return {
    type: "TemplateProcessing",
    single: [text("A", 0), token("<sep>", 0), token("<cls>", 2)],
    pair: [text("A", 0), token("<sep>", 0), text("B", 1), token("<sep>", 1), token("<cls>", 2)],
    special_tokens: { "<sep>": entry("<sep>"), "<cls>": entry("<cls>") },
  };
}

/** The ids of tokens that must be there. */
const required = (ids: Ids, tokens: readonly string[], where: string): Record<string, number> =>
  Object.fromEntries(
    tokens.map((token) => {
      const id = ids[token];
      if (id === undefined) throw new ConfigError(`${where}: must hold the piece ${token}, but does not`);
      return [token, id];
    }),
  );
