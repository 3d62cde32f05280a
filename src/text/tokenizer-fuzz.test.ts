import { describe, expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import { Random } from "../tensor/random.ts";
import { nestsQuantifiers } from "./regex-check.ts";
import { byteLevelJson, wordPieceJson } from "./small-tokenizer.test-data.ts";
import { Tokenizer } from "./tokenizer.ts";

/** Seeded mutations of tokenizer.json; set FUZZ_MUTATIONS for more. */
const mutations = Number(process.env.FUZZ_MUTATIONS ?? 1000);
const longestMs = 20_000;

const text = "Hello unable 我爱 wörld! https://hello.world/?un=able 😀".repeat(20);
const hostile: unknown[] = [
  null,
  -1,
  1e12,
  0.5,
  "",
  "(a+)+$",
  "\u0000",
  [],
  {},
  true,
  "x".repeat(10_000),
  [[[]]],
];

/** Changes a few bytes of the file's text. */
function mutateText(json: object, random: Random): string {
  const bytes = Buffer.from(JSON.stringify(json));
  for (let i = 1 + random.integer(4); i > 0; i--) bytes[random.integer(bytes.length)] = random.integer(256);
  return bytes.toString("utf8");
}

/** Puts a hostile value in place of one part of the file, or takes the part away. */
function mutateValue(json: object, random: Random): string {
  const root = structuredClone(json) as Record<string, unknown>;
  let parent = root;
  for (;;) {
    const keys = Object.keys(parent);
    const key = keys[random.integer(keys.length)]!;
    const child = parent[key];
    const isInner = typeof child === "object" && child !== null && Object.keys(child).length > 0;
    if (isInner && random.uniform() < 0.8) {
      parent = child as Record<string, unknown>;
      continue;
    }
    if (random.uniform() < 0.2) delete parent[key];
    else parent[key] = hostile[random.integer(hostile.length)];
    return JSON.stringify(root);
  }
}

/** True when the file was accepted and works; anything but a ConfigError is passed on. */
function tryFile(file: string): boolean {
  let json: unknown;
  try {
    json = JSON.parse(file);
  } catch {
    return false; // loading turns this into a ConfigError before a tokeniser is built
  }
  try {
    const tokenizer = new Tokenizer(json);
    const encoding = tokenizer.encode(text, "hello", { maxLength: 64 });
    expect(encoding.offsets).toHaveLength(encoding.length);
    expect(encoding.ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize)).toBe(
      true,
    );
    tokenizer.decode(encoding.ids);
    return true;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

describe.each([
  ["WordPiece", wordPieceJson()],
  ["byte-level BPE", byteLevelJson()],
])("a damaged tokenizer.json (%s)", (name, json) => {
  test("ends in a ConfigError or in a tokeniser that works", { timeout: 600_000 }, () => {
    const random = new Random(7).fork(name);
    let accepted = 0;
    for (let i = 0; i < mutations / 2; i++) {
      const file = i % 2 ? mutateText(json, random) : mutateValue(json, random);
      const startMs = performance.now();
      try {
        if (tryFile(file)) accepted++;
      } catch (cause) {
        throw new Error(`mutation ${i}: ${file}`, { cause });
      }
      expect(performance.now() - startMs, file).toBeLessThan(longestMs);
    }
    expect(accepted).toBeGreaterThan(mutations / 50);
    expect(accepted).toBeLessThan(mutations / 2);
  });

  test("is refused when it is not an object", () => {
    for (const value of [null, 1, "x", [], undefined])
      expect(() => new Tokenizer(value)).toThrow(ConfigError);
  });
});

test("nested sequences of any depth are refused, not overflowed", () => {
  let normalizer: object = { type: "Lowercase" };
  for (let i = 0; i < 5000; i++) normalizer = { type: "Sequence", normalizers: [normalizer] };
  expect(() => new Tokenizer({ ...wordPieceJson(), normalizer })).toThrow(ConfigError);
});

describe("nestsQuantifiers", () => {
  test("finds repeated groups that repeat inside", () => {
    for (const source of ["(a+)+", "(?:a*b)*", "((a+)b){2,}", "(x(y+))*"]) {
      expect(nestsQuantifiers(source), source).toBe(true);
    }
  });

  test("passes the patterns of published tokenisers", () => {
    const gpt4 =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    for (const source of [gpt4, "(ab)+c", "[(a+)+]", "\\(a+\\)+", "(a+)?"]) {
      expect(nestsQuantifiers(source), source).toBe(false);
    }
  });
});
