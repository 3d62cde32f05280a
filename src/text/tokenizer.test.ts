import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutoTokenizer, env } from "@huggingface/transformers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError, RequestError } from "../errors.ts";
import { loadTokenizer } from "./load-tokenizer.ts";
import { smallVocab, wordPieceJson } from "./small-tokenizer.test-data.ts";
import { Tokenizer } from "./tokenizer.ts";

let folder: string;
let tokenizer: Tokenizer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokenizer-"));
  await writeVocab("small", {});
  tokenizer = await loadTokenizer(join(folder, "small"));
});
afterAll(() => rm(folder, { recursive: true }));

async function writeVocab(name: string, config: object): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "vocab.txt"), `${smallVocab.join("\n")}\n`);
  await writeFile(join(path, "tokenizer_config.json"), JSON.stringify(config));
  return path;
}

/** Each token with the text its span holds. */
const spansOf = (text: string, pair?: string): [string, string | null][] => {
  const encoding = tokenizer.encode(text, pair);
  return encoding.tokens.map((token, i) => {
    const span = encoding.offsets[i]!;
    const source = encoding.sequenceIds[i] === 1 ? pair! : text;
    return [token, span && source.slice(span[0], span[1])];
  });
};

describe("a folder with only vocab.txt", () => {
  test("becomes BERT's tokeniser with its special ids", () => {
    const { padId, unkId, clsId, sepId, maskId, vocabSize } = tokenizer;
    expect([padId, unkId, clsId, sepId, maskId]).toEqual([0, 1, 2, 3, 4]);
    expect(vocabSize).toBe(smallVocab.length);
    expect(tokenizer.encode("Hello world!").tokens).toEqual(["[CLS]", "hello", "world", "!", "[SEP]"]);
  });

  test("obeys do_lower_case of tokenizer_config.json", async () => {
    const cased = await loadTokenizer(await writeVocab("cased", { do_lower_case: false }));
    expect(cased.encode("Hello hello").tokens).toEqual(["[CLS]", "[UNK]", "hello", "[SEP]"]);
  });

  test("is RoFormer's and DistilBERT's too", async () => {
    for (const tokenizer_class of ["RoFormerTokenizer", "DistilBertTokenizerFast"]) {
      const loaded = await loadTokenizer(await writeVocab(tokenizer_class, { tokenizer_class }));
      expect(loaded.encode("Unable 我爱").ids).toEqual(tokenizer.encode("Unable 我爱").ids);
    }
  });

  test("is refused for a tokeniser that vocab.txt does not define", async () => {
    const path = await writeVocab("japanese", { tokenizer_class: "BertJapaneseTokenizer" });
    await expect(loadTokenizer(path)).rejects.toThrow(/BertJapaneseTokenizer/);
  });

  test("must hold the special tokens", async () => {
    const path = await writeVocab("lacking", {});
    await writeFile(join(path, "vocab.txt"), "[PAD]\n[UNK]\n[CLS]\nhello\n");
    await expect(loadTokenizer(path)).rejects.toThrow(/must hold \[SEP\]/);
  });

  test("must be UTF-8", async () => {
    const path = await writeVocab("binary", {});
    await writeFile(join(path, "vocab.txt"), Buffer.from([0x61, 0x0a, 0xff, 0xfe]));
    await expect(loadTokenizer(path)).rejects.toThrow(ConfigError);
  });
});

test("a folder without a tokeniser is named in a not_found error", async () => {
  const error: unknown = await loadTokenizer(join(folder, "nowhere")).catch((reason) => reason);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).code).toBe("not_found");
  expect((error as ConfigError).message).toMatch(/nowhere: must hold the files of a tokeniser/);
});

describe("offsets", () => {
  test("survive lower-casing, accents, control characters and CJK splitting", () => {
    expect(spansOf("HÉLLO\u0000  wo\u200brld我爱u\u0308nable")).toEqual([
      ["[CLS]", null],
      ["hello", "HÉLLO"],
      ["world", "wo\u200brld"],
      ["我", "我"],
      ["爱", "爱"],
      ["un", "u\u0308n"],
      ["##able", "able"],
      ["[SEP]", null],
    ]);
  });

  test("count characters beyond U+FFFF as two string units", () => {
    expect(spansOf("😀 hello 𠀀𠀁")).toEqual([
      ["[CLS]", null],
      ["[UNK]", "😀"],
      ["hello", "hello"],
      ["[UNK]", "𠀀"],
      ["[UNK]", "𠀁"],
      ["[SEP]", null],
    ]);
  });

  test("of added tokens are their places in the text", () => {
    expect(spansOf("Hello [MASK]!")[2]).toEqual(["[MASK]", "[MASK]"]);
  });

  test("of the pair count from the pair's start", () => {
    expect(spansOf("hello", "World!").slice(3)).toEqual([
      ["world", "World"],
      ["!", "!"],
      ["[SEP]", null],
    ]);
  });
});

describe("encode", () => {
  test("tells text, pair, words and special tokens apart", () => {
    const { typeIds, sequenceIds, wordIds, specialTokensMask } = tokenizer.encode("unable hello", "world");
    expect(typeIds).toEqual([0, 0, 0, 0, 0, 1, 1]);
    expect(sequenceIds).toEqual([null, 0, 0, 0, null, 1, null]);
    expect(wordIds).toEqual([null, 0, 0, 1, null, 0, null]);
    expect(specialTokensMask).toEqual([1, 0, 0, 0, 1, 0, 1]);
  });

  test("shortens the longer text first, to exactly maxLength", () => {
    const text = "hello hello hello hello";
    const { tokens } = tokenizer.encode(text, "world !", { maxLength: 7 });
    expect(tokens.join(" ")).toBe("[CLS] hello hello [SEP] world ! [SEP]");
    const both = tokenizer.encode(text, "world world world world", { maxLength: 8 });
    expect(both.tokens.join(" ")).toBe("[CLS] hello hello [SEP] world world world [SEP]");
  });

  test("leaves the other text whole under only_second, or says that it cannot", () => {
    const options = { maxLength: 6, truncation: "only_second" } as const;
    expect(tokenizer.encode("hello hello", "world world", options).tokens.join(" ")).toBe(
      "[CLS] hello hello [SEP] world [SEP]",
    );
    expect(() => tokenizer.encode("hello hello hello", "world", options)).toThrow(RequestError);
  });

  test("gives the text's tokens alone without special tokens", () => {
    expect(tokenizer.encode("hello", "world", { addSpecialTokens: false }).tokens).toEqual([
      "hello",
      "world",
    ]);
  });

  test("takes words of more than 100 characters as unknown", () => {
    expect(tokenizer.encode(`${"u".repeat(101)} hello`).tokens).toEqual(["[CLS]", "[UNK]", "hello", "[SEP]"]);
  });

  test("gives the special tokens for an empty text", () => {
    expect(tokenizer.encode("").ids).toEqual([2, 3]);
    expect(tokenizer.encode("", "").ids).toEqual([2, 3, 3]);
  });
});

test("encodeWords numbers tokens by the given words, through words that vanish or split", () => {
  const encoding = tokenizer.encodeWords(["unable", "\u200b", "hello!", "我爱"]);
  expect(encoding.tokens).toEqual(["[CLS]", "un", "##able", "hello", "!", "我", "爱", "[SEP]"]);
  expect(encoding.wordIds).toEqual([null, 0, 0, 2, 2, 3, 3, null]);
});

describe("encodeWindows", () => {
  const context = "hello world ! un hello world !";

  test("covers the pair with overlapping windows that keep their offsets", () => {
    const windows = tokenizer.encodeWindows("hello", context, { maxLength: 8, stride: 1 });
    expect(windows.map(({ tokens }) => tokens.slice(3, -1).join(" "))).toEqual([
      "hello world ! un",
      "un hello world !",
    ]);
    const [start, end] = windows[1]!.offsets[3]!;
    expect(context.slice(start, end)).toBe("un");
  });

  test("gives one window where all fits", () => {
    expect(tokenizer.encodeWindows("hello", undefined, { maxLength: 8 })).toHaveLength(1);
  });

  test("refuses a stride that leaves no progress", () => {
    expect(() => tokenizer.encodeWindows("hello", context, { maxLength: 8, stride: 4 })).toThrow(/stride 4/);
  });
});

test("decode joins pieces and can leave special tokens out", () => {
  const { ids } = tokenizer.encode("Unable, hello!");
  expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe("unable, hello!");
  expect(tokenizer.decode(ids)).toBe("[CLS] unable, hello! [SEP]");
  expect(tokenizer.decode([])).toBe("");
});

test("a saved tokeniser gives the same ids here and in transformers.js", async () => {
  await tokenizer.save(join(folder, "saved"));
  const again = await loadTokenizer(join(folder, "saved"));
  env.allowRemoteModels = false;
  env.localModelPath = `${folder}/`;
  const theirs = await AutoTokenizer.from_pretrained("saved");
  for (const text of ["Unable, hello 我爱 wörld!", "[MASK] https://hello.world/?un=able", "", "😀👩‍👩‍👧 é"]) {
    const { ids } = tokenizer.encode(text);
    expect(again.encode(text).ids).toEqual(ids);
    expect(theirs.encode(text)).toEqual(ids);
  }
});

test("missing fields of older files take their defaults", () => {
  const { model, ...rest } = wordPieceJson();
  const older = new Tokenizer({ ...rest, model: { vocab: model.vocab, unk_token: "[UNK]" } });
  expect(older.encode("unable").tokens).toEqual(["[CLS]", "un", "##able", "[SEP]"]);
});

test("ids of a pair stay right when the special tokens are named in special_tokens_map.json", async () => {
  const path = join(folder, "renamed");
  await mkdir(path);
  const renamed = smallVocab.map((token) => (token === "[PAD]" ? "<nothing>" : token));
  await writeFile(join(path, "vocab.txt"), renamed.join("\r\n"));
  await writeFile(
    join(path, "special_tokens_map.json"),
    JSON.stringify({ pad_token: { content: "<nothing>" } }),
  );
  const loaded = await loadTokenizer(path);
  expect(loaded.padId).toBe(0);
  expect(loaded.encode("hello").ids).toEqual(tokenizer.encode("hello").ids);
});
