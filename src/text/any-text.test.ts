/** What holds of every tokeniser for every text. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { RequestError } from "../errors.ts";
import { bpeTokenizer } from "./bpe-files.ts";
import { byteChars } from "./byte-level.ts";
import { spieceTokenizer } from "./sentencepiece-families.ts";
import { byteLevelJson, wordPieceJson } from "./small-tokenizer.test-data.ts";
import { Tokenizer } from "./tokenizer.ts";

const spiece = async (name: string): Promise<Tokenizer> => {
  const bytes = await readFile(join(import.meta.dirname, "../../test/sentencepiece", `${name}.model`));
  return spieceTokenizer(bytes, { tokenizer_class: "T5Tokenizer", extra_ids: 2 }, name);
};

const clip = (): Tokenizer => {
  const ends = byteChars.map((char) => `${char}</w>`);
  const tokens = [...byteChars, ...ends, "aa", "aa</w>", "<|startoftext|>", "<|endoftext|>"];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return bpeTokenizer({ vocab, merges: ["a a", "a a</w>"] }, {}, "clip");
};

const tokenizers: Record<string, () => Tokenizer | Promise<Tokenizer>> = {
  WordPiece: () => new Tokenizer(wordPieceJson()),
  "byte-level BPE": () => new Tokenizer(byteLevelJson()),
  CLIP: clip,
  "SentencePiece unigram": () => spiece("unigram"),
  "SentencePiece unigram with bytes": () => spiece("unigram-bytes"),
  "SentencePiece BPE": () => spiece("bpe"),
};

/** Code units at random, so with lone surrogates, and texts of what is hard about Unicode. */
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((codes) => String.fromCharCode(...codes)),
  fc
    .array(
      fc.constantFrom(
        ...["a", " ", "\n", "\0", "▁", "é", "e\u0301", "ﬁ", "①②", "😀", "👩‍👩‍👧", "שלום", "مرحبا", "\u202e"],
        ...[
          "\ud800",
          "\udc00",
          "\ufeff",
          "\u200b",
          "[MASK]",
          "<sep>",
          "</s>",
          "<0x41>",
          "<|endoftext|>",
          "我",
        ],
      ),
    )
    .map((parts) => parts.join("")),
);

const longTexts: Record<string, string> = {
  letters: "a".repeat(1e6),
  spaces: `${" ".repeat(1e6)}a`,
  marks: `a${"\u0301".repeat(1e6)}`,
  words: "hello wörld! ".repeat(8e4),
};
/** Seconds of processor time, as other work on the machine does not count. */
const cpuSeconds = (): number => process.cpuUsage().user / 1e6;

describe.each(Object.keys(tokenizers))("%s", (name) => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await tokenizers[name]!();
  });

  test("encodes any text to ids of its vocabulary with spans inside the text", () => {
    const property = fc.property(anyText, fc.option(anyText, { nil: undefined }), (text, pair) => {
      const { ids, offsets, sequenceIds } = tokenizer.encode(text, pair);
      expect(offsets).toHaveLength(ids.length);
      for (const [i, span] of offsets.entries()) {
        expect(ids[i]! >= 0 && ids[i]! < tokenizer.vocabSize).toBe(true);
        if (!span) continue;
        const whole = sequenceIds[i] === 0 ? text : pair!;
        expect(span[0] >= 0 && span[0] <= span[1] && span[1] <= whole.length, `${text} ${span}`).toBe(true);
      }
      if (ids.length > 0) expect(typeof tokenizer.decode(ids)).toBe("string");
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("shortens any text to at most the length asked for, or says that it cannot", () => {
    const mode = fc.constantFrom("longest_first" as const, "only_first" as const, "only_second" as const);
    const length = fc.integer({ min: -1, max: 12 });
    const property = fc.property(anyText, anyText, length, mode, (text, pair, maxLength, truncation) => {
      try {
        expect(tokenizer.encode(text, pair, { maxLength, truncation }).length).toBeLessThanOrEqual(maxLength);
        const windows = tokenizer.encodeWindows(text, undefined, { maxLength, stride: 1 });
        for (const window of windows) expect(window.length).toBeLessThanOrEqual(maxLength);
      } catch (error) {
        expect(error).toBeInstanceOf(RequestError);
      }
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("encodes texts of a megabyte in seconds", { timeout: 120_000 }, () => {
    for (const [kind, text] of Object.entries(longTexts)) {
      const start = cpuSeconds();
      const { ids } = tokenizer.encode(text);
      expect(cpuSeconds() - start, kind).toBeLessThan(10);
      expect(ids.length, kind).toBeLessThan(4.1e6);
    }
    expect(tokenizer.encode(longTexts.words!, undefined, { maxLength: 64 }).length).toBe(64);
  });
});
