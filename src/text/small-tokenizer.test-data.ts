/** Small vocabularies that tests share. */

import { bertTokenizerJson } from "./bert-vocab.ts";

const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const words = ["hello", "world", "un", "##able", "我", "爱", "!", ",", ".", ":", "/", "?", "=", "https", "e"];

export const smallVocab: readonly string[] = [...special, ...words];

/** The tokenizer.json of a BERT tokeniser with `smallVocab`. */
export const wordPieceJson = () =>
  bertTokenizerJson(smallVocab.join("\n"), {}, "vocab.txt") as {
    model: { vocab: Record<string, number> };
  } & Record<string, unknown>;

/** GPT-2's spelling of bytes that are not printable. */
const spelled = (text: string): string[] =>
  Array.from(Buffer.from(text, "utf8"), (byte) =>
    byte === 32 ? "Ġ" : String.fromCharCode(byte < 161 && byte > 126 ? byte - 127 + 0x121 : byte),
  );

const merges = ["h e", "he l", "hel l", "hell o", "Ġ hello", "Ġ w", "o r", "Ġw or"];

/** The tokenizer.json of a byte-level BPE tokeniser as GPT-2's, with a handful of merges. */
export function byteLevelJson() {
  const letters = spelled("abcdefghijklmnopqrstuvwxyz HW!.é我😀");
  const tokens = [
    ...new Set([...letters, ...merges.map((merge) => merge.replace(" ", ""))]),
    "<|endoftext|>",
  ];
  return {
    version: "1.0",
    added_tokens: [{ id: tokens.length - 1, content: "<|endoftext|>", special: true, normalized: false }],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true },
    post_processor: { type: "ByteLevel", trim_offsets: true },
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
      unk_token: null,
    },
  };
}
