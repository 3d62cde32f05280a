import { describe, expect, test } from "vitest";
import { byteLevelJson } from "./small-tokenizer.test-data.ts";
import { Tokenizer } from "./tokenizer.ts";

const tokenizer = new Tokenizer(byteLevelJson());

const slices = (given: Tokenizer, text: string) =>
  given.encode(text).offsets.map((span) => text.slice(...span!));

describe("byte-level BPE", () => {
  test("spans leave out the space that a token starts with", () => {
    const text = "hello hello world";
    expect(tokenizer.encode(text).tokens).toEqual(["hello", "Ġhello", "Ġwor", "l", "d"]);
    expect(slices(tokenizer, text)).toEqual(["hello", "hello", "wor", "l", "d"]);
  });

  test("every byte token of a character spans the whole character", () => {
    expect(slices(tokenizer, "é我 😀!")).toEqual([
      "é",
      "é",
      "我",
      "我",
      "我",
      " ",
      ...Array(4).fill("😀"),
      "!",
    ]);
  });

  test("a prefix space that is not in the text gets no span of its own", () => {
    const json = byteLevelJson();
    const prefixed = new Tokenizer({
      ...json,
      pre_tokenizer: { ...json.pre_tokenizer, add_prefix_space: true },
    });
    expect(prefixed.encode("hello hello").tokens).toEqual(["Ġhello", "Ġhello"]);
    expect(prefixed.encode("hello hello").offsets).toEqual([
      [0, 5],
      [6, 11],
    ]);
  });

  test("decode restores the text", () => {
    const text = "hello wor 我 é😀!";
    expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text);
  });

  test("a lone surrogate is read as the replacement character", () => {
    expect(tokenizer.encode("he\ud800llo").length).toBe(tokenizer.encode("he\ufffdllo").length);
  });
});

describe("SentencePiece-like models", () => {
  const pieces = ["<unk>", "▁hello", "▁wor", "ld", "▁", "h", "e", "l", "o", "fi", "!"];
  const unigram = new Tokenizer({
    added_tokens: [],
    normalizer: { type: "Precompiled", precompiled_charsmap: "" },
    pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
    post_processor: null,
    decoder: { type: "Metaspace", replacement: "▁" },
    model: { type: "Unigram", unk_id: 0, vocab: pieces.map((piece, i) => [piece, -i]) },
  });

  test("spans survive the prefix and compatibility forms", () => {
    expect(unigram.encode("hello ﬁ! world").tokens.join(" ")).toBe("▁hello ▁ fi ! ▁wor ld");
    expect(slices(unigram, "hello ﬁ! world")).toEqual(["hello", " ", "ﬁ", "!", "wor", "ld"]);
  });

  test("byte fallback tokens span the character they spell", () => {
    const bytes = ["E6", "88", "91"].map((byte) => `<0x${byte}>`);
    const tokens = ["<unk>", "▁", "h", "e", ...bytes];
    const fallback = new Tokenizer({
      added_tokens: [],
      normalizer: {
        type: "Sequence",
        normalizers: [
          { type: "Prepend", prepend: "▁" },
          { type: "Replace", pattern: { String: " " }, content: "▁" },
        ],
      },
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      model: {
        type: "BPE",
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: [],
        unk_token: "<unk>",
        byte_fallback: true,
      },
    });
    expect(fallback.encode("h 我e").tokens).toEqual(["▁", "h", "▁", ...bytes, "e"]);
    expect(fallback.encode("h 我e").offsets.slice(1)).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
      [2, 3],
      [2, 3],
      [3, 4],
    ]);
  });
});
