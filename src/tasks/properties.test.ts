import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, tinyVocab, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { RequestError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import { openModel } from "../models/open.ts";
import { openHere } from "../runtime/open-here.ts";
import type { Predictor } from "./predictor.ts";
import { type AnswerTaskName, predictor } from "./tasks.ts";

const folder = useTemporaryFolder();

/** How one kind of question is made of any text, and the options under which most of the answer shows. */
interface Subject {
  readonly task: AnswerTaskName;
  readonly config: ConfigJson;
  readonly ask: (text: string) => unknown;
  readonly options?: object;
}

const tags = withLabels("O", "B-PER", "I-PER", "B-LOC");
const subjects: readonly Subject[] = [
  {
    task: "text-classification",
    config: tinyConfig("BertForSequenceClassification", withLabels("bad", "fine", "good")),
    ask: (text) => text,
    options: { top_k: null },
  },
  {
    task: "token-classification",
    config: tinyConfig("BertForTokenClassification", tags),
    ask: (text) => text,
    options: { ignore_labels: [] },
  },
  {
    task: "question-answering",
    config: tinyConfig("BertForQuestionAnswering"),
    ask: (text) => ({ question: "who lives in London ?", context: text }),
    options: { top_k: 2, doc_stride: 16 },
  },
  {
    task: "fill-mask",
    config: tinyConfig("BertForMaskedLM"),
    ask: (text) => `the [MASK] is ${text}`,
    options: { top_k: 3 },
  },
  {
    task: "feature-extraction",
    config: tinyConfig("BertModel"),
    ask: (text) => text,
    options: { pooling: "mean", normalize: true },
  },
  {
    task: "sentence-similarity",
    config: tinyConfig("BertForSentenceSimilarity"),
    ask: (text) => ({ text, text_pair: "the bank is near the river" }),
  },
];

/** Words that the vocabulary knows, so that most tokens matter, of up to some length. */
const knownText = (maxLength: number) =>
  fc
    .array(fc.constantFrom(...tinyVocab.slice(5)), { minLength: 1, maxLength })
    .map((words) => words.join(" "));
/** Any UTF-16 units, lone surrogates too. */
const units = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
  .map((codes) => String.fromCharCode(...codes));
const anyText = fc.oneof(
  knownText(100),
  units,
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.constantFrom("", " ", "\0", "\u202eabc", "مرحبا بالعالم", "👩‍👩‍👧‍👦".repeat(30), "e\u0301".repeat(50)),
);

/** Within 1e-5 wherever there are numbers; all else the same. */
function expectSame(actual: unknown, expected: unknown): void {
  if (typeof expected === "number") {
    expect(Math.abs(Number(actual) - expected)).toBeLessThan(1e-5 * Math.max(1, Math.abs(expected)));
  } else if (ArrayBuffer.isView(expected) || Array.isArray(expected)) {
    const [others, values] = [actual, expected].map((list) => Array.from(list as ArrayLike<unknown>));
    expect(others!.length).toBe(values!.length);
    for (const [at, value] of values!.entries()) expectSame(others![at], value);
  } else if (typeof expected === "object" && expected !== null) {
    for (const [key, value] of Object.entries(expected))
      expectSame((actual as Record<string, unknown>)[key], value);
  } else expect(actual).toBe(expected);
}

describe.each(subjects)("$task", ({ task, config, ask, options }) => {
  let answers: Predictor;
  beforeAll(async () => {
    const path = await writeTinyModel(join(folder, task), config);
    const model = await openModel(path, { provider: "cpu", threads: 1 }, openHere);
    answers = predictor(model, { task, maxBatchTokens: 512 });
  });
  afterAll(() => answers.release());

  /** Asks; there must be an answer of finite numbers, or the clear error that there is none. */
  const tryToAnswer = async (text: string): Promise<void> => {
    try {
      const [answer] = await answers.predict([ask(text)], options);
      expect(answer).toBeDefined();
      expect(JSON.stringify(answer, (_, value) => (Number.isNaN(value) ? "NaN" : value))).not.toContain(
        "NaN",
      );
    } catch (error) {
      expect(error).toBeInstanceOf(RequestError);
    }
  };

  test("padding changes no answer: a batch answers as its texts do one by one", async () => {
    const batch = fc.array(knownText(70), { minLength: 2, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(batch, async (texts) => {
        const together = await answers.predict(texts.map(ask), options);
        for (const [at, text] of texts.entries()) {
          const [alone] = await answers.predict([ask(text)], options);
          expectSame(together[at], alone);
        }
      }),
      { numRuns: 15, seed: 1 },
    );
  });

  test("any text gets an answer or a clear error", async () => {
    await fc.assert(fc.asyncProperty(anyText, tryToAnswer), { numRuns: 60, seed: 2 });
  });

  test.each([
    ["words", "the river bank , ".repeat(60_000)],
    ["one word", "a".repeat(1 << 20)],
    ["emoji", "😀".repeat(1 << 19)],
    ["from right to left", "سلام ".repeat(200_000)],
    ["lone surrogates", "\ud800".repeat(1 << 20)],
  ])("a megabyte of %s gets one in time", async (_, text) => {
    const start = performance.now();
    await tryToAnswer(text);
    expect(performance.now() - start).toBeLessThan(60_000);
  });
});
