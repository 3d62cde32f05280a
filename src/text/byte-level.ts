/**
 * GPT-2's way to write any byte as a visible character, and the `tokenizer.json` of byte-level BPE.
 * Radford et al. 2019, https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
 */

/** Printable bytes stand for themselves, the others for the characters from U+0100 on. In the order of the bytes. */
export const byteChars: readonly string[] = byteTable();

/** The byte that each of those characters stands for. */
export const byteOf: ReadonlyMap<string, number> = new Map(byteChars.map((char, byte) => [char, byte]));

function byteTable(): string[] {
  let shifted = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCharCode(isPrintable ? byte : shifted++);
  });
}

/** How models with byte fallback spell one UTF-8 byte. */
export const bytePiece = /^<0x[0-9A-F]{2}>$/;

/** A text in such pieces. */
export const bytePieces = (text: string): string[] =>
  Array.from(Buffer.from(text), (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);

/** An added token that is cut out of a text as it stands. */
export const specialToken = (content: string, id: number) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

export interface ByteLevelParts {
  vocab: Readonly<Record<string, number>>;
  merges: readonly (string | readonly [string, string])[];
  special: readonly string[];
  postProcessor: object | null;
  addPrefixSpace?: boolean; // default false
}

/** The tokenizer.json of byte-level BPE as GPT-2's. */
export const byteLevelTokenizerJson = ({ vocab, merges, special, ...parts }: ByteLevelParts) => ({
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: special.map((token) => specialToken(token, vocab[token]!)),
  normalizer: null,
  pre_tokenizer: {
    type: "ByteLevel",
    add_prefix_space: parts.addPrefixSpace ?? false,
    trim_offsets: true,
    use_regex: true,
  },
  post_processor: parts.postProcessor ?? { type: "ByteLevel", add_prefix_space: true, trim_offsets: false },
  decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab,
    merges,
  },
});
