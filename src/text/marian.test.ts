import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutoTokenizer, env } from "@huggingface/transformers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import { loadTokenizer } from "./load-tokenizer.ts";
import { ModelProto, pieceTypes } from "./sentencepiece-file.ts";
import type { Tokenizer } from "./tokenizer.ts";

const spm = (pieces: [string, number][]): Uint8Array =>
  ModelProto.encode(
    ModelProto.fromObject({
      pieces: [
        { piece: "<unk>", score: 0, type: pieceTypes.unknown },
        { piece: "<s>", score: 0, type: pieceTypes.control },
        { piece: "</s>", score: 0, type: pieceTypes.control },
        ...pieces.map(([piece, score]) => ({ piece, score, type: pieceTypes.normal })),
      ],
    }),
  ).finish();

// "▁Hund" is German alone, "▁dog" English alone, and the German model has a piece that vocab.json lacks.
const source = spm([
  ["▁Hund", -1],
  ["▁d", -3],
  ["o", -3],
  ["g", -3],
  ["e", -3],
  ["▁rare", -1],
]);
const target = spm([
  ["▁dog", -1],
  ["▁H", -3],
  ["u", -3],
  ["n", -3],
  ["d", -3],
]);
const tokens = [
  "</s>",
  "<unk>",
  "▁Hund",
  "▁dog",
  "▁d",
  "o",
  "g",
  "e",
  "▁H",
  "u",
  "n",
  "d",
  ">>eng<<",
  "<pad>",
];
const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));

let folder: string;
let tokenizer: Tokenizer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "marian-"));
  await writeFile(join(folder, "source.spm"), source);
  await writeFile(join(folder, "target.spm"), target);
  await writeFile(join(folder, "vocab.json"), JSON.stringify(vocab));
  tokenizer = await loadTokenizer(folder);
});
afterAll(() => rm(folder, { recursive: true }));

test("each language is cut by its own model, with the ids of vocab.json", () => {
  expect(tokenizer.encode("Hund dog").ids).toEqual([2, 4, 5, 6, 0]);
  expect(tokenizer.encodeTarget("Hund dog").ids).toEqual([8, 9, 10, 11, 3, 0]);
  expect([tokenizer.vocabSize, tokenizer.padId, tokenizer.eosId, tokenizer.unkId]).toEqual([14, 13, 0, 1]);
});

test("a piece that vocab.json lacks is unknown", () => {
  expect(tokenizer.encode("rare Hund").ids).toEqual([1, 2, 0]);
});

test("a language code stays whole, and what follows begins a word", () => {
  expect(tokenizer.encode(">>eng<< Hund").ids).toEqual([12, 2, 0]);
});

test("decode reads both languages and leaves special tokens out on request", () => {
  expect(tokenizer.decode([2, 4, 5, 6, 0], { skipSpecialTokens: true })).toBe("Hund dog");
  expect(tokenizer.decode([13, 8, 9, 10, 11, 3, 0, 13], { skipSpecialTokens: true })).toBe("Hund dog");
});

test("spans are places in the text", () => {
  const text = "Hund  doge";
  const spans = tokenizer.encode(text).offsets.slice(0, -1);
  expect(spans.map((span) => text.slice(...span!))).toEqual(["Hund", "d", "o", "g", "e"]);
});

test("a saved tokeniser has Marian's files and both languages", async () => {
  const path = join(folder, "saved");
  await tokenizer.save(path);
  const again = await loadTokenizer(path);
  expect((await readFile(join(path, "target.spm"))).equals(target)).toBe(true);
  expect(again.encode("Hund dog").ids).toEqual([2, 4, 5, 6, 0]);
  expect(again.encodeTarget("Hund dog").ids).toEqual([8, 9, 10, 11, 3, 0]);
  const config = JSON.parse(await readFile(join(path, "tokenizer_config.json"), "utf8"));
  expect(config).toMatchObject({ tokenizer_class: "MarianTokenizer", pad_token: "<pad>" });
});

test("vocab.json without a special token, or damaged, is refused", async () => {
  const { "<pad>": _, ...rest } = vocab;
  const contents = [JSON.stringify(rest), "[1", '{"</s>": 0, "<unk>": 0, "<pad>": "x"}'];
  for (const [i, content] of contents.entries()) {
    const path = join(folder, `bad-${i}`);
    await tokenizer.save(path);
    await writeFile(join(path, "vocab.json"), content);
    await expect(loadTokenizer(path)).rejects.toThrow(ConfigError);
  }
});

test("other libraries read the same pieces and ids from its tokenizer.json", async () => {
  const exported = join(folder, "exported");
  await tokenizer.saveJson(exported);
  env.allowRemoteModels = false;
  env.localModelPath = folder;
  const theirs = await AutoTokenizer.from_pretrained("exported");
  for (const text of ["Hund dog", ">>eng<< Hund", "dog"])
    expect(theirs.encode(text)).toEqual([...tokenizer.encode(text).ids]);
  const answer = [13, 8, 9, 10, 11, 3, 0];
  const options = { skipSpecialTokens: true };
  expect(theirs.decode(answer, { skip_special_tokens: true })).toBe(tokenizer.decode(answer, options));
});
