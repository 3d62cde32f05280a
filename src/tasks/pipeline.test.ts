import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { ConfigError, RequestError } from "../errors.ts";
import { type PipelineBase, type PipelineByTask, type PipelineOptions, pipeline } from "./pipeline.ts";

const folder = useTemporaryFolder();
const opened: PipelineBase[] = [];
afterAll(() => Promise.all(opened.map((each) => each.dispose())));

const folders = {
  classifier: tinyConfig("BertForSequenceClassification", withLabels("bad", "fine", "good")),
  tagger: tinyConfig("BertForTokenClassification", withLabels("O", "B-PER", "I-PER", "B-LOC", "I-LOC")),
  reader: tinyConfig("BertForQuestionAnswering"),
  filler: tinyConfig("BertForMaskedLM"),
  encoder: tinyConfig("BertModel"),
  chooser: tinyConfig("BertForMultipleChoice"),
};

async function open<T extends keyof PipelineByTask>(
  task: T,
  name: keyof typeof folders,
  extra = {},
  options: PipelineOptions = {},
): Promise<PipelineByTask[T]> {
  const path = join(folder, `${name}${Object.values(extra).join("")}`);
  await writeTinyModel(path, { ...folders[name], ...extra });
  const made = await pipeline(task, path, { provider: "cpu", ...options });
  opened.push(made);
  return made;
}

const texts = [
  "a very good film",
  "dull and too long , with a poor story and no music at all in it",
  "the book is fine",
  "bad",
  "John Smith works for the river bank company in London , and Mary lives in Paris with him .",
];

describe("text classification", () => {
  test("gives the best label, in a list, as transformers.js does", async () => {
    const classify = await open("text-classification", "classifier");
    const answer = await classify(texts[0]!);
    expect(answer).toHaveLength(1);
    expect(["bad", "fine", "good"]).toContain(answer[0]!.label);
    expect(await classify(texts)).toHaveLength(texts.length);
  });

  test("gives all labels with probabilities that sum to 1, best first", async () => {
    const classify = await open("sentiment-analysis", "classifier");
    const [first] = await classify([texts[0]!], { top_k: null });
    const scores = first!.map(({ score }) => score);
    expect(scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 6);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(await classify(texts[0]!, { top_k: 3 })).toEqual(first);
  });

  test("in batches answers as one by one", async () => {
    const classify = await open("text-classification", "classifier", {}, { maxBatchTokens: 40 });
    const together = await classify(texts, { top_k: null });
    for (const [at, text] of texts.entries()) {
      const alone = await classify(text, { top_k: null });
      expect(together[at]!.map(({ label }) => label)).toEqual(alone.map(({ label }) => label));
      for (const [rank, { score }] of alone.entries()) {
        expect(together[at]![rank]!.score).toBeCloseTo(score, 5);
      }
    }
  });

  test("concurrent calls get their own answers", async () => {
    const classify = await open("text-classification", "classifier");
    const answers = await Promise.all(texts.map((text) => classify(text)));
    const expected = await classify(texts);
    expect(answers.map(([answer]) => answer!.label)).toEqual(expected.map(({ label }) => label));
  });

  test("a pair differs from its first text alone", async () => {
    const classify = await open("text-classification", "classifier");
    const [pair] = await classify({ text: "a good film", text_pair: "a bad book" });
    const [alone] = await classify({ text: "a good film" });
    expect(pair!.score).not.toBeCloseTo(alone!.score, 4);
  });

  test("labels of a multi-label model are independent, a regression gives the number itself", async () => {
    const multi = await open("text-classification", "classifier", {
      problem_type: "multi_label_classification",
    });
    const scores = (await multi(texts[0]!, { top_k: null })).map(({ score }) => score);
    expect(scores.every((score) => score > 0 && score < 1)).toBe(true);
    expect(scores.reduce((sum, score) => sum + score, 0)).not.toBeCloseTo(1, 3);
    const plain = await open("text-classification", "classifier", {
      ...withLabels("LABEL_0"),
      problem_type: "regression",
    });
    const values = (await plain(texts)).map(({ score }) => score);
    expect(values.some((value) => value < 0 || value > 1)).toBe(true);
  });

  test("a text beyond the model's length is shortened", async () => {
    const classify = await open("text-classification", "classifier");
    expect(await classify("good film ".repeat(500))).toHaveLength(1);
  });

  test("options and inputs that do not hold are refused", async () => {
    const classify = await open("text-classification", "classifier");
    await expect(classify(texts, { top_k: 0 })).rejects.toThrow(RequestError);
    await expect(classify([texts[0]!, 3 as unknown as string])).rejects.toThrow(/input 2/);
  });
});

describe("token classification", () => {
  const text = "  John SMITH  lives in London.";

  test("gives tokens with their place in the caller's string", async () => {
    const tag = await open("token-classification", "tagger");
    const entities = await tag(text, { ignore_labels: [] });
    expect(entities.map(({ start, end }) => text.slice(start, end))).toEqual([
      "John",
      "SMITH",
      "lives",
      "in",
      "London",
      ".",
    ]);
    expect(entities.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(entities[1]!.word).toBe("smith");
  });

  test("groups neighbours of one type, at most as many as there are tokens", async () => {
    const tag = await open("ner", "tagger");
    const tokens = await tag(text, { ignore_labels: [] });
    const groups = await tag(text, { aggregation_strategy: "simple", ignore_labels: [] });
    expect(groups.length).toBeLessThanOrEqual(tokens.length);
    expect(groups[0]!.start).toBe(tokens[0]!.start);
    expect(groups.at(-1)!.end).toBe(tokens.at(-1)!.end);
  });

  test("labels every token of a text that is longer than the model, each once and in order", async () => {
    const tag = await open("token-classification", "tagger");
    const long = Array.from({ length: 150 }, (_, at) => (at % 7 === 0 ? "john" : "river")).join(" ");
    const entities = await tag(long, { ignore_labels: [] });
    expect(entities.map(({ start, end }) => long.slice(start, end)).join(" ")).toBe(long);
    expect(entities.map(({ index }) => index)).toEqual(Array.from({ length: 150 }, (_, at) => at + 1));
  });
});

describe("question answering", () => {
  const question = "who lives in London ?";
  const context = "Mary Smith works in Paris. John lives in London, with a red book.";

  test("gives the best span, exactly as it stands in the context", async () => {
    const answer = await open("question-answering", "reader");
    const best = await answer(question, context);
    expect(context.slice(best.start, best.end)).toBe(best.answer);
    expect(await answer({ question, context })).toEqual(best);
    expect(await answer([{ question, context }])).toEqual([best]);
  });

  test("gives several different answers, best first", async () => {
    const answer = await open("question-answering", "reader");
    const answers = await answer(question, context, { top_k: 4 });
    expect(answers).toHaveLength(4);
    expect(answers[0]).toEqual(await answer(question, context));
    expect(new Set(answers.map(({ start, end }) => `${start} ${end}`)).size).toBe(4);
    expect(answers.map(({ score }) => score)).toEqual(
      answers.map(({ score }) => score).sort((a, b) => b - a),
    );
  });

  test("no answer competes when it is allowed", async () => {
    const answer = await open("question-answering", "reader");
    const all = await answer(question, context, { top_k: 200, handle_impossible_answer: true });
    const none = all.filter((each) => each.answer === "");
    expect(none).toEqual([{ answer: "", score: expect.any(Number), start: 0, end: 0 }]);
  });

  test("no answer must beat the best by the threshold, in logits; its score stays the same", async () => {
    const answer = await open("question-answering", "reader");
    const ask = (null_score_diff_threshold: number) =>
      answer(question, context, { top_k: 2, handle_impossible_answer: true, null_score_diff_threshold });
    const all = await answer(question, context, { top_k: 200, handle_impossible_answer: true });
    const nothing = all.find((each) => each.answer === "")!;
    expect((await ask(-50))[0]).toEqual(nothing);
    expect((await ask(50)).every((each) => each.answer !== "")).toBe(true);
  });

  test("searches all windows of a long context", async () => {
    const answer = await open("question-answering", "reader");
    const long = `${context} ${"the river is green . ".repeat(60)}${context}`;
    const answers = await answer(question, long, { top_k: 300, doc_stride: 16 });
    expect(Math.min(...answers.map(({ start }) => start))).toBeLessThan(100);
    expect(Math.max(...answers.map(({ start }) => start))).toBeGreaterThan(long.length - 100);
    for (const { start, end, answer: text } of answers) expect(long.slice(start, end)).toBe(text);
  });

  test("keeps answers within their longest length, and long questions within theirs", async () => {
    const answer = await open("question-answering", "reader");
    const answers = await answer("who ".repeat(200), context, { top_k: 50, max_answer_len: 2 });
    expect(Math.max(...answers.map((each) => each.answer.split(/\s/).length))).toBeLessThanOrEqual(2);
  });
});

describe("fill mask", () => {
  test("gives the likeliest tokens and the texts they make", async () => {
    const fill = await open("fill-mask", "filler");
    const filled = await fill("the [MASK] is good .");
    expect(filled).toHaveLength(5);
    expect(filled[0]!.sequence).toBe(`the ${filled[0]!.token_str} is good.`);
    expect(await fill(["the [MASK] is good ."])).toEqual([filled]);
  });

  test("considers only targets", async () => {
    const fill = await open("fill-mask", "filler");
    const filled = await fill("the [MASK] is good .", { targets: ["film", "Book"] });
    expect(filled.map(({ token_str }) => token_str).sort()).toEqual(["book", "film"]);
    await expect(fill("the [MASK] is", { targets: ["zebra"] })).rejects.toThrow(/"zebra" must be one token/);
  });

  test("answers each of several masks", async () => {
    const fill = await open("fill-mask", "filler");
    const lists: unknown[] = await fill("the [MASK] is [MASK] .", { top_k: 2 });
    expect(lists.map((list) => Array.isArray(list) && list.length)).toEqual([2, 2]);
  });

  test("a text without a mask is refused, and the others of its call do not crash the process", async () => {
    const fill = await open("fill-mask", "filler");
    const many = [...Array.from({ length: 40 }, () => "a [MASK] film"), "no mask here"];
    await expect(fill(["no mask here", ...many])).rejects.toThrow("must hold [MASK]");
  });
});

describe("feature extraction", () => {
  test("gives every token's vector, zeros behind shorter texts", async () => {
    const extract = await open("feature-extraction", "encoder");
    const { dims, data } = await extract(["good", "a good film"]);
    expect(dims).toEqual([2, 5, 32]);
    expect(data.subarray(3 * 32, 5 * 32).every((value) => value === 0)).toBe(true);
    expect((await extract("good")).dims).toEqual([1, 3, 32]);
  });

  test("pools and normalises", async () => {
    const extract = await open("feature-extraction", "encoder");
    const tokens = (await extract("a good film")).tolist() as number[][][];
    const mean = (await extract("a good film", { pooling: "mean" })).tolist() as number[][];
    for (let at = 0; at < 32; at++) {
      const expected = tokens[0]!.reduce((sum, vector) => sum + vector[at]! / tokens[0]!.length, 0);
      expect(mean[0]![at]).toBeCloseTo(expected, 5);
    }
    const { data } = await extract("a good film", { pooling: "cls", normalize: true });
    expect(data.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5);
  });

  test("in batches answers as one by one", async () => {
    const extract = await open("feature-extraction", "encoder");
    const together = (await extract(texts, { pooling: "mean" })).tolist() as number[][];
    for (const [at, text] of texts.entries()) {
      const [alone] = (await extract(text, { pooling: "mean" })).tolist() as number[][];
      for (const [axis, value] of alone!.entries()) expect(together[at]![axis]).toBeCloseTo(value, 4);
    }
  });

  test("takes the last layer of a model with another head", async () => {
    const extract = await open("feature-extraction", "classifier");
    expect((await extract("good")).dims).toEqual([1, 3, 32]);
  });
});

describe("multiple choice", () => {
  test("gives the choices with probabilities, best first", async () => {
    const choose = await open("multiple-choice", "chooser");
    const choices = ["a red river", "a dull book , too long", "music"];
    const scored = await choose({ prompt: "she likes", choices });
    expect(scored.map(({ index, choice }) => choices[index] === choice)).toEqual([true, true, true]);
    expect(scored.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 6);
    expect(await choose([{ prompt: "she likes", choices }], { top_k: 1 })).toEqual([
      [expect.objectContaining({ choice: scored[0]!.choice })],
    ]);
  });
});

describe("pipeline", () => {
  test("names a model that is for another task", async () => {
    await expect(open("question-answering", "classifier")).rejects.toThrow(
      /BertForSequenceClassification is for text-classification and cannot do question-answering/,
    );
  });

  test("names tasks and models that do not exist", async () => {
    await expect(pipeline("summarize" as "fill-mask", folder)).rejects.toThrow(ConfigError);
    await expect(pipeline("fill-mask", join(folder, "absent"))).rejects.toThrow(ConfigError);
  });
});
