import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, tinyTokenizer, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import type { ConfigJson } from "../models/config.ts";
import { bestPath, chainOf, marginals } from "../models/crf-decoding.ts";
import { openModel } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { openHere } from "../runtime/open-here.ts";
import { Random } from "../tensor/random.ts";
import { padBatch } from "../text/batch.ts";
import { createStepApi } from "../train/step-api.ts";
import { pipeline } from "./pipeline.ts";
import { rowAt } from "./scores.ts";
import { prepareEvaluation } from "./tasks.ts";

const folder = useTemporaryFolder();
const labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"];
const configOf = (extra: ConfigJson = {}): ConfigJson =>
  tinyConfig("BertCrfForTokenClassification", { ...withLabels(...labels), ...extra });

const texts = [
  "john smith lives in london .",
  "mary saw the unable riverbank in paris , and she likes it",
  "reded books",
  "the film was not good",
];

/** Emissions of the first piece of every word, the words' spans, and the chain, from the session itself. */
async function scoresOf(path: string, text: string) {
  const { session, tokenizer } = await openModel(path, { threads: 1 }, openHere);
  const encoding = tokenizer.encode(text);
  const { input_ids, attention_mask, token_type_ids } = padBatch([encoding], { padId: tokenizer.padId });
  const { logits, chain } = await session.run({ input_ids, attention_mask, token_type_ids });
  await session.release();
  const firsts = [...encoding.wordIds.keys()].filter((at) => {
    const word = encoding.wordIds[at];
    return word !== null && word !== encoding.wordIds[at - 1];
  });
  return { emissions: firsts.map((at) => rowAt(logits!, at)), firsts, chain: chainOf(chain!) };
}

let path: string;
let ruled: string;
beforeAll(async () => {
  path = await writeTinyModel(join(folder, "crf"), configOf());
  ruled = await writeTinyModel(join(folder, "ruled"), configOf({ crf_constraints: "bio" }));
});

describe("a tagger with a CRF", () => {
  test("answers with the best path through the words, each with its probability", async () => {
    const tag = await pipeline("ner", path, { threads: 1 });
    const answers = await tag(texts, { ignore_labels: [] });
    for (const [at, text] of texts.entries()) {
      const { emissions, firsts, chain } = await scoresOf(path, text);
      const { tags } = bestPath(emissions, chain);
      expect(answers[at]!.map(({ entity }) => entity)).toEqual(tags.map((label) => labels[label]));
      expect(answers[at]!.map(({ index }) => index)).toEqual(firsts);
      for (const [word, row] of marginals(emissions, chain).entries()) {
        expect(answers[at]![word]!.score).toBeCloseTo(row[tags[word]!]!, 5);
      }
    }
    await tag.dispose();
  });

  test("labels words of several pieces whole", async () => {
    const tag = await pipeline("ner", path, { threads: 1 });
    const words = (await tag("an unable man", { ignore_labels: [] })).map(({ start, end }) => [start, end]);
    expect(words).toEqual([
      [0, 2],
      [3, 9],
      [10, 13],
    ]);
    const groups = await tag("an unable man", { ignore_labels: [], aggregation_strategy: "simple" });
    expect(groups[0]!.start).toBe(0);
    expect(groups.at(-1)!.end).toBe(13);
    await tag.dispose();
  });

  test("under constraints breaks no rule, where it does without them", async () => {
    const broken = async (model: string): Promise<number> => {
      const tag = await pipeline("ner", model, { threads: 1 });
      const answers = await tag(texts, { ignore_labels: [] });
      await tag.dispose();
      const isBroken = (before: string, now: string): boolean =>
        now.startsWith("I-") && before.slice(2) !== now.slice(2);
      return answers.flatMap((words) =>
        words.filter(({ entity }, at) => isBroken(words[at - 1]?.entity ?? "O", entity)),
      ).length;
    };
    expect(await broken(path)).toBeGreaterThan(0);
    expect(await broken(ruled)).toBe(0);
  });

  test("decodes a text longer than the model as one sentence", async () => {
    const tag = await pipeline("ner", ruled, { threads: 1 });
    const text = "john smith of acme bank lives in london . ".repeat(20);
    const answers = await tag(text, { ignore_labels: [] });
    expect(answers.map(({ start, end }) => text.slice(start, end)).join(" ")).toBe(text.trim());
    await tag.dispose();
  });

  test("is evaluated by the paths that it answers with", async () => {
    const lines = texts.map(
      (text) =>
        `${text
          .split(" ")
          .map((word) => `${word} O`)
          .join("\n")}\n`,
    );
    writeFileSync(join(folder, "gold.conll"), lines.join("\n"));
    const config = configOf();
    const { task, dataset } = await prepareEvaluation(
      "token-classification",
      join(folder, "gold.conll"),
      config,
      tinyTokenizer(),
    );
    const step = await createStepApi({ config, options: { threads: 1 }, weightsFolder: path });
    const batch = dataset.collate([0, 1, 2, 3], 32, new Random(1));
    const outputs = await step.evaluate(batch);
    const evaluator = task.evaluator(dataset);
    evaluator.add(outputs, [0, 1, 2, 3]);
    const tag = await pipeline("ner", path, { threads: 1 });
    const words = (await tag(texts, { ignore_labels: [] })).flat();
    const outside = words.filter(({ entity }) => entity === "O").length;
    expect(evaluator.result().accuracy).toBeCloseTo(outside / words.length, 12);
    expect(Number(outputs.loss!.data[0])).toBeGreaterThan(0);
    await tag.dispose();
  });

  test("learns an order of tags that no single word shows", async () => {
    const config = configOf({ ...withLabels("O", "B-PER", "I-PER"), crf_constraints: "bio" });
    // Every word is "john": only its place in the chain tells B from I from O.
    const tags = ["B-PER", "I-PER", "O", "B-PER", "I-PER", "O"];
    writeFileSync(join(folder, "order.conll"), `${tags.map((tag) => `john ${tag}`).join("\n")}\n`);
    const prepared = await prepareEvaluation(
      "token-classification",
      join(folder, "order.conll"),
      config,
      tinyTokenizer(),
    );
    const step = await createStepApi({ config, options: { threads: 1, seed: 2 } });
    const batch = prepared.dataset.collate([0], 16, new Random(1));
    const { loss: before } = await step.step([batch], 1, 3e-3);
    for (let update = 2; update <= 30; update++) await step.step([batch], update, 3e-3);
    const evaluator = prepared.task.evaluator(prepared.dataset);
    const outputs = await step.evaluate(batch);
    evaluator.add(outputs, [0]);
    expect(Number(outputs.loss!.data[0])).toBeLessThan(before / 4);
    expect(evaluator.result().f1).toBe(1);
  });

  test("refuses labels that its constraints do not know", () => {
    const config = configOf({ ...withLabels("O", "PER"), crf_constraints: "bio" });
    expect(() => architectureOf(config).build(config)).toThrow(/crf_constraints "bio": tags must be/);
    expect(() => architectureOf(config).build(configOf({ crf_constraints: "iob" }))).toThrow(
      /crfConstraints/,
    );
  });
});
