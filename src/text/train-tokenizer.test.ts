import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { AutoTokenizer, env } from "@huggingface/transformers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadTokenizer } from "./load-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { type TokenizerTrainingOptions, trainTokenizer, trainTokenizerOnTexts } from "./train-tokenizer.ts";

const corpus = `
The quick brown fox jumps over the lazy dog; the dog isn't amused, and the fox knew it.
Der schnelle braune Fuchs springt über den faulen Hund. Façade, naïve, Ærø, œuvre.
天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。
    x = 3.14159 * radius ** 2   # an area
😀 👩‍👩‍👧 🇩🇪 مرحبا بالعالم שלום עולם
`.repeat(3);

const varied = [
  corpus,
  "",
  " ",
  "unknown wörds and fuchs, FOX\tand\u00a0more\n\n",
  "https://example.com/?a=b&c=d%20#x",
  "天地 and 地球",
  "I'll don't we've 'quoted' 12345 3.14",
  "<|endoftext|> [MASK] [SEP]",
  "é e\u0301 ﬁ ½ \u0000 \ufffd \u200b",
];

const kinds: TokenizerTrainingOptions[] = [
  { kind: "wordpiece", vocabSize: 600 },
  { kind: "wordpiece", vocabSize: 500, lowercase: false, splitChinese: false, stripAccents: true },
  { kind: "bpe", vocabSize: 400 },
  { kind: "bpe", vocabSize: 500, specialTokens: ["<pad>", "</s>", "<unk>"] },
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "trained-"));
  await writeFile(join(folder, "corpus.txt"), corpus);
  env.allowRemoteModels = false;
  env.localModelPath = `${folder}/`;
});
afterAll(() => rm(folder, { recursive: true }));

describe.each(kinds)("a tokenizer of $kind with $vocabSize tokens at most", (options) => {
  let name: string;
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    name = `trained-${kinds.indexOf(options)}`;
    tokenizer = await trainTokenizer([join(folder, "corpus.txt")], options);
    await tokenizer.save(join(folder, name));
  });

  test("gives the same ids when loaded here and in transformers.js", async () => {
    const loaded = await loadTokenizer(join(folder, name));
    const theirs = await AutoTokenizer.from_pretrained(name);
    for (const text of varied) {
      const { ids } = tokenizer.encode(text);
      expect(loaded.encode(text).ids, text).toEqual(ids);
      expect(theirs.encode(text), text).toEqual(ids);
      if (ids.length > 0) expect(theirs.decode(ids), text).toBe(tokenizer.decode(ids));
    }
  });

  test("is the same file when trained again", async () => {
    const again = await trainTokenizer([join(folder, "corpus.txt")], options);
    await again.save(join(folder, "again"));
    const read = (from: string) => readFile(join(folder, from, "tokenizer.json"));
    expect((await read("again")).equals(await read(name))).toBe(true);
  });

  test("joins letters to longer pieces", () => {
    expect(tokenizer.vocabSize).toBeLessThanOrEqual(options.vocabSize);
    expect(tokenizer.encode(" fox", undefined, { addSpecialTokens: false }).length).toBe(1);
  });
});

test("byte-level BPE gives back 10,000 random Unicode strings", async () => {
  const tokenizer = await trainTokenizerOnTexts([corpus], { kind: "bpe", vocabSize: 600 });
  const property = fc.property(fc.string({ unit: "binary", maxLength: 30 }), (text) => {
    expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text);
  });
  fc.assert(property, { numRuns: 10_000 });
});

test("byte-level BPE with BERT's special tokens puts them around texts, and gives texts back as they were", async () => {
  const specialTokens = ["[PAD]", "[CLS]", "[SEP]", "[DEC]"];
  const texts = ["woman: medium-dark skin tone", "man: medium-dark skin tone"];
  const tokenizer = await trainTokenizerOnTexts(texts, { kind: "bpe", vocabSize: 300, specialTokens });
  const { ids } = tokenizer.encode(texts[0]!);
  expect([ids[0], ids.at(-1)]).toEqual([tokenizer.clsId, tokenizer.sepId]);
  expect(tokenizer.tokenToId("[DEC]")).toBe(3);
  expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(texts[0]);
});

describe("WordPiece", () => {
  const joined = (tokens: readonly string[]) => tokens.join("").replaceAll("##", "");

  test("keeps every cleaned character of 10,000 strings over its alphabet", async () => {
    const tokenizer = await trainTokenizerOnTexts(["abc ABC éa bca 中文 xy, yx."], {
      kind: "wordpiece",
      vocabSize: 120,
    });
    const chars = fc.constantFrom(..."abcxyABCXYéÉ中文,.   \t\n\u0000\u200b");
    const property = fc.property(fc.string({ unit: chars, maxLength: 40 }), (text) => {
      const { tokens } = tokenizer.encode(text, undefined, { addSpecialTokens: false });
      const kept = text
        .toLowerCase()
        .replaceAll("é", "e")
        .replace(/[\s\p{C}]/gu, "");
      expect(joined(tokens)).toBe(kept);
    });
    fc.assert(property, { numRuns: 10_000 });
  });

  test("gives each unknown word one [UNK] and keeps the others, for any Unicode", async () => {
    const tokenizer = await trainTokenizerOnTexts(["abc abc"], { kind: "wordpiece", vocabSize: 40 });
    const property = fc.property(fc.string({ unit: "binary" }), (text) => {
      const { tokens } = tokenizer.encode(`abc ${text} abc`, undefined, { addSpecialTokens: false });
      expect([tokens[0], tokens.at(-1)]).toEqual(["abc", "abc"]);
    });
    fc.assert(property, { numRuns: 2000 });
  });

  test("leaves rare characters out beyond the alphabet's limit", async () => {
    const texts = ["aaab aab ab zq"];
    const options = { kind: "wordpiece", vocabSize: 50, minFrequency: 1, alphabetLimit: 2 } as const;
    const tokenizer = await trainTokenizerOnTexts(texts, options);
    expect(tokenizer.tokenToId("z")).toBeUndefined();
    expect(tokenizer.encode("zq aaab").tokens).toEqual(["[CLS]", "[UNK]", "aaab", "[SEP]"]);
  });
});

describe("the corpus", () => {
  const options = { kind: "bpe", vocabSize: 500 } as const;

  test("may be gzipped, a folder, or several files, with the same result", async () => {
    const parts = join(folder, "parts");
    await mkdir(join(parts, "inner"), { recursive: true });
    const half = corpus.lastIndexOf("\n", corpus.length / 2);
    await writeFile(join(parts, "a.txt.gz"), gzipSync(corpus.slice(0, half)));
    await writeFile(join(parts, "inner", "b.txt"), corpus.slice(half));
    const results = [
      await trainTokenizerOnTexts([corpus], options),
      await trainTokenizer([parts], options),
      await trainTokenizer([join(parts, "a.txt.gz"), join(parts, "inner/b.txt")], options),
    ];
    const [first, ...others] = results.map(({ vocabSize, ...tokenizer }) => JSON.stringify(tokenizer));
    for (const other of others) expect(other).toBe(first);
  });

  test("is counted alike wherever the stream cuts it", async () => {
    const line = `${"word ".repeat(20)}\n`;
    const file = join(folder, "long.txt");
    await writeFile(file, line.repeat(30_000)); // 3 MB, more than one piece
    const tokenizer = await trainTokenizer([file], {
      kind: "wordpiece",
      vocabSize: 50,
      minFrequency: 600_000,
    });
    expect(tokenizer.encode("word").length).toBe(3);
    await expect(trainTokenizer([file], { kind: "bpe", vocabSize: 10 })).rejects.toThrow(/at least 257/);
  });

  test("is refused with the file's name when it is missing, empty or no text", async () => {
    await writeFile(join(folder, "binary"), Uint8Array.of(0xff, 0xfe, 0x00));
    await writeFile(join(folder, "damaged.gz"), "no gzip");
    await mkdir(join(folder, "empty"));
    const refusal = (path: string) => expect(trainTokenizer([join(folder, path)], options)).rejects;
    await refusal("nowhere").toThrow(/nowhere: there is no such file/);
    await refusal("binary").toThrow(/binary: is not UTF-8/);
    await refusal("damaged.gz").toThrow(/damaged.gz: cannot be read/);
    await refusal("empty").toThrow(/must hold text files/);
  });
});

test("options out of their range are refused", async () => {
  const train = (options: object) =>
    expect(trainTokenizerOnTexts([corpus], { kind: "bpe", vocabSize: 400, ...options })).rejects;
  await train({ vocabSize: 0.5 }).toThrow(/vocabSize must be a whole number/);
  await train({ specialTokens: ["<a>", "<a>"] }).toThrow(/specialTokens must be different/);
  await train({ kind: "wordpiece", specialTokens: ["[UNK]"] }).toThrow(/must hold \[PAD\]/);
});

describe("a tokenizer like CLIP's", () => {
  const texts = ["Couple with heart: woman, man", "woman with heart", "a man's heart", "Couple, 2 women"];

  test("lower-cases, ends words, and has its two special tokens last", async () => {
    const tokenizer = await trainTokenizerOnTexts(texts, { kind: "clip", vocabSize: 560 });
    expect(tokenizer.encode("HEART with  WOMAN").tokens).toEqual([
      "<|startoftext|>",
      "heart</w>",
      "with</w>",
      "woman</w>",
      "<|endoftext|>",
    ]);
    const { vocabSize, eosId, padId } = tokenizer;
    expect([eosId, padId]).toEqual([vocabSize - 1, vocabSize - 1]);
  });

  test("writes files that are read back alike", async () => {
    const tokenizer = await trainTokenizerOnTexts(texts, { kind: "clip", vocabSize: 540 });
    await tokenizer.save(join(folder, "clip"));
    const again = await loadTokenizer(join(folder, "clip"));
    const text = "Überraschung: 2 couples’ hearts 🙂";
    expect(again.encode(text).ids).toEqual(tokenizer.encode(text).ids);
    expect(again.decode(again.encode(text).ids)).toContain("überraschung");
  });

  test("needs room for all bytes, inside and at the end of words", async () => {
    const training = trainTokenizerOnTexts(texts, { kind: "clip", vocabSize: 513 });
    await expect(training).rejects.toThrow(/vocabSize must be at least 514/);
  });
});
