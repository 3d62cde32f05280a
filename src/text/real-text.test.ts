import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutoTokenizer, env } from "@huggingface/transformers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadTokenizer } from "./load-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

const data = "../shared/data";
const isAbsent = !existsSync(join(data, "vocab"));
if (isAbsent) console.warn(`skipped: the published vocabularies are not in ${data}`);

const sources = ["sst2/dev.tsv", "ner_wnut17/dev.conll", "stsb/stsb-zh-dev.csv", "banking77/test.csv"];
const hard = [
  "Ünïcödé Façade İstanbul 한국어 日本語テスト 👩‍👩‍👧 🇩🇪 x\u00a0y\u3000z ﬁ ½ \u0000\ufffd\u200b",
  "https://example.com/a?b=c&d=%20#x",
  `${"a".repeat(120)} ${"é".repeat(100)}`,
  "[MASK] and [SEP] [cls]",
];

/** BERT's clean-up of one span, by another way than ours: whole-string functions. */
const cleaned = (span: string, isLower: boolean): string => {
  const kept = span.replace(/[\p{Cc}\p{Cf}\uFFFD]/gu, "");
  return isLower
    ? kept
        .normalize("NFD")
        .replace(/\p{Mn}/gu, "")
        .toLowerCase()
    : kept;
};

describe.skipIf(isAbsent).each([
  ["bert-base-uncased", true],
  ["bert-base-chinese", false],
])("%s on real text", (name, isLower) => {
  let folder: string;
  let tokenizer: Tokenizer;
  let texts: string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "vocab-"));
    const given = join(folder, "given");
    await mkdir(given);
    await copyFile(join(data, "vocab", name, "vocab.txt"), join(given, "vocab.txt"));
    await writeFile(join(given, "tokenizer_config.json"), JSON.stringify({ do_lower_case: isLower }));
    tokenizer = await loadTokenizer(given);
    await tokenizer.save(join(folder, name));
    const files = await Promise.all(sources.map((source) => readFile(join(data, source), "utf8")));
    texts = [...hard, ...files.flatMap((file) => file.split("\n").slice(0, 500))];
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("gives the ids of transformers.js", async () => {
    env.allowRemoteModels = false;
    env.localModelPath = `${folder}/`;
    const theirs = await AutoTokenizer.from_pretrained(name);
    for (const text of texts) expect(tokenizer.encode(text).ids, text).toEqual(theirs.encode(text));
  });

  test("gives spans whose cleaned text is the token", () => {
    for (const text of texts) {
      const { tokens, offsets } = tokenizer.encode(text);
      for (const [i, span] of offsets.entries()) {
        const token = tokens[i]!.replace(/^##/, "");
        if (!span || /^\[[A-Z]+\]$/.test(token) || /\p{Script=Hangul}/u.test(token)) continue;
        expect(cleaned(text.slice(...span), isLower), text).toBe(token);
      }
    }
  });
});
