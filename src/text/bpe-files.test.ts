import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutoTokenizer, env } from "@huggingface/transformers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bpeTokenizer } from "./bpe-files.ts";
import { byteChars } from "./byte-level.ts";
import { loadTokenizer } from "./load-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

const data = "../shared/data";
const isAbsent = !existsSync(join(data, "vocab"));
if (isAbsent) console.warn(`skipped: the published vocabularies are not in ${data}`);

const numbered = (tokens: readonly string[]) => Object.fromEntries(tokens.map((token, id) => [token, id]));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bpe-"));
  env.allowRemoteModels = false;
  env.localModelPath = `${folder}/`;
});
afterAll(() => rm(folder, { recursive: true }));

describe("vocab.json and merges.txt", () => {
  const robertaTokens = ["<s>", "<pad>", "</s>", "<unk>", ...byteChars, "he", "llo", "ll", "hello", "<mask>"];
  const write = async (vocab: readonly string[], merges: string, config: object = {}) => {
    await writeFile(join(folder, "vocab.json"), JSON.stringify(numbered(vocab)));
    await writeFile(join(folder, "merges.txt"), merges);
    await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(config));
    return loadTokenizer(folder);
  };

  test("with <s> and <mask> are RoBERTa's", async () => {
    const tokenizer = await write(robertaTokens, "#version: 0.2\r\nh e\r\nl l\r\nll o\r\nhe llo\r\n");
    expect(tokenizer.encode("hello", "he").tokens).toEqual(["<s>", "hello", "</s>", "</s>", "he", "</s>"]);
    expect(tokenizer.encode("x <mask>.").tokens).toEqual(["<s>", "x", "<mask>", ".", "</s>"]);
    expect([tokenizer.padId, tokenizer.clsId, tokenizer.sepId, tokenizer.eosId]).toEqual([1, 0, 2, 2]);
  });

  test("obey add_prefix_space", async () => {
    const tokenizer = await write(robertaTokens, "", { add_prefix_space: true });
    expect(tokenizer.encode("a").tokens).toEqual(["<s>", "Ġ", "a", "</s>"]);
  });

  test("are refused when a line, a token or the class does not fit", async () => {
    await expect(write(robertaTokens, "h e\na b c")).rejects.toThrow(
      /merges.txt: a line must hold two tokens/,
    );
    await expect(write(["a"], "")).rejects.toThrow(/must hold <\|endoftext\|>/);
    await expect(write(["a"], "", { tokenizer_class: "BartTokenizer" })).rejects.toThrow(
      /BartTokenizer cannot/,
    );
  });

  test("are joined in the order of the merges, the leftmost of equal pairs first", () => {
    const vocab = numbered([...byteChars, "aa", "aaa", "ab", "<|endoftext|>"]);
    const tokenizer = bpeTokenizer({ vocab, merges: ["a a", "aa a", "a b"] }, {}, "vocab.json");
    expect(tokenizer.encode("aaaaab").tokens).toEqual(["aa", "aaa", "b"]);
    expect(tokenizer.encode("aaaa").tokens).toEqual(["aa", "aa"]);
    expect(tokenizer.encode("bab").tokens).toEqual(["b", "ab"]);
  });
});

const sources = ["sst2/dev.tsv", "ner_wnut17/dev.conll", "stsb/stsb-zh-dev.csv", "banking77/test.csv"];
const readTexts = async (): Promise<string[]> => {
  const files = await Promise.all(sources.map((source) => readFile(join(data, source), "utf8")));
  const hard = [
    "I'll don't WE'VE",
    "  two  spaces\n\n\ttab ",
    "Ünïcödé 👩‍👩‍👧 한국어 ½ \u0000",
    "3.14 1,000 <b>&amp;</b>",
  ];
  return [...hard, ...files.flatMap((file) => file.split("\n").slice(0, 250))];
};

describe.skipIf(isAbsent)("GPT-2's published vocabulary", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await loadTokenizer(join(data, "vocab/gpt2"));
    await tokenizer.save(join(folder, "gpt2"));
  });

  test("gives the known ids", () => {
    expect(tokenizer.encode("Hello world").ids).toEqual([15496, 995]);
    expect(tokenizer.encode("<|endoftext|>").ids).toEqual([50256]);
    expect([tokenizer.vocabSize, tokenizer.eosId]).toEqual([50257, 50256]);
  });

  test("gives the ids of transformers.js on real text, and the text back", async () => {
    const theirs = await AutoTokenizer.from_pretrained("gpt2");
    for (const text of await readTexts()) {
      const { ids } = tokenizer.encode(text);
      expect(ids, text).toEqual(theirs.encode(text));
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  test("loses nothing of any Unicode", () => {
    const property = fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text);
    });
    fc.assert(property, { numRuns: 300 });
  });
});

describe.skipIf(isAbsent)("CLIP's published vocabulary", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    await cp(join(data, "vocab/clip"), join(folder, "original"), { recursive: true });
    tokenizer = await loadTokenizer(join(folder, "original"));
    await tokenizer.save(join(folder, "clip"));
  });

  test("gives the known ids", () => {
    expect(tokenizer.encode("a photo of a CAT").ids).toEqual([49406, 320, 1125, 539, 320, 2368, 49407]);
    expect([tokenizer.vocabSize, tokenizer.modelMaxLength]).toEqual([49408, 77]);
    expect(tokenizer.decode([320, 1125, 539, 320, 2368])).toBe("a photo of a cat ");
  });

  test("gives the ids of transformers.js on real text", async () => {
    const theirs = await AutoTokenizer.from_pretrained("clip");
    for (const text of await readTexts())
      expect(tokenizer.encode(text).ids, text).toEqual(theirs.encode(text));
  });

  test("gives spans whose lower-cased text is the token, for ASCII", async () => {
    for (const text of (await readTexts()).filter((line) => /^[\x20-\x7e]+$/.test(line))) {
      const { tokens, offsets } = tokenizer.encode(text);
      for (const [i, span] of offsets.entries()) {
        if (span) expect(text.slice(...span).toLowerCase(), text).toBe(tokens[i]!.replace("</w>", ""));
      }
    }
  });
});
