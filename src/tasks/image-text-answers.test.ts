/** Answers about pictures and words, checked against the models themselves. */

import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, writeTinyImageModel, writeTinyMatcher } from "../../test/support/tiny-images.ts";
import { tinyVocab } from "../../test/support/tiny-model.ts";
import { encodeModel } from "../models/open.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import { ImageDecoder } from "../vision/decode.ts";
import type { TextMatch } from "./image-text-matching.ts";
import { openForTask, thisThread } from "./open-for-task.ts";
import type { Predictor } from "./predictor.ts";
import { softmax } from "./scores.ts";
import { predictor } from "./tasks.ts";

const folder = useTemporaryFolder();
const at = (name: string): string => join(folder, name);
const tower = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const words = { ...tower, vocab_size: tinyVocab.length, max_position_embeddings: 24, initializer_range: 0.5 };
const pictures = { ...tower, image_size: 16, patch_size: 8 };

const opened: Predictor[] = [];
async function open(name: string): Promise<Predictor> {
  const answers = predictor(
    await openForTask(at(name), undefined, { provider: "cpu", threads: 1 }, thisThread),
  );
  opened.push(answers);
  return answers;
}

let png: Buffer;
beforeAll(async () => {
  png = await pngOf(16, 1);
  const image_size = 16; // for the preprocessor
  const clip = {
    model_type: "clip",
    projection_dim: 8,
    text_config: words,
    vision_config: pictures,
    image_size,
  };
  await writeTinyImageModel(at("clip"), { architectures: ["CLIPModel"], ...clip });
  await writeTinyImageModel(at("siglip"), {
    architectures: ["CLIPModel"],
    ...clip,
    contrastive_loss: "sigmoid",
    logit_bias_init_value: -1,
  });
  const ends = { bos_token_id: 2, sep_token_id: 3 };
  const blip = {
    model_type: "blip",
    text_config: { ...words, ...ends },
    vision_config: pictures,
    image_size,
  };
  await writeTinyImageModel(at("captions"), { architectures: ["BlipForConditionalGeneration"], ...blip });
  await writeTinyImageModel(at("questions"), { architectures: ["BlipForQuestionAnswering"], ...blip });
});
afterAll(() => Promise.all(opened.map((one) => one.release())));

/** The whole model's scores of one picture for some texts. */
async function directScores(name: string, texts: readonly string[]): Promise<number[]> {
  const tokenizer = await loadTokenizer(at(name));
  const session = await OrtSession.open({ ...(await encodeModel(at(name))), name }, { threads: 1 });
  const model = await openForTask(at(name), undefined, { threads: 1 }, thisThread);
  if (!("preprocessor" in model)) throw new Error("reads no pictures");
  const pixel_values = model.preprocessor.batch([await new ImageDecoder().decode(png)]);
  const scores: number[] = [];
  for (const text of texts) {
    const { ids } = tokenizer.encode(text);
    const input_ids = Tensor.from("int64", [1, ids.length], ids);
    const attention_mask = Tensor.from(
      "int64",
      [1, ids.length],
      ids.map(() => 1),
    );
    const { logits_per_image } = await session.run({ pixel_values, input_ids, attention_mask });
    scores.push(Number(logits_per_image!.data[0]));
  }
  await session.release();
  return scores;
}

type Scores = { label: string; score: number }[];
const byLabel = (scores: Scores): Record<string, number> =>
  Object.fromEntries(scores.map(({ label, score }) => [label, score]));

describe("zero-shot-image-classification", () => {
  const candidate_labels = ["film", "book", "a good story"];

  test("gives each label the model's own probability, best first, also when asked again", async () => {
    const answers = await open("clip");
    const [first] = (await answers.predict([png], { candidate_labels })) as Scores[];
    const texts = candidate_labels.map((label) => `This is a photo of ${label}.`);
    const expected = softmax(await directScores("clip", texts));
    for (const [index, label] of candidate_labels.entries())
      expect(byLabel(first!)[label]).toBeCloseTo(expected[index]!, 5);
    expect(first!.map(({ score }) => score)).toEqual(first!.map(({ score }) => score).sort((a, b) => b - a));
    const again = (await answers.predict([png, png], { candidate_labels })) as Scores[];
    expect(again).toEqual([first, first]);
  });

  test("compares with the mean of several templates", async () => {
    const answers = await open("clip");
    const ask = async (hypothesis_template: string | string[]): Promise<Scores> =>
      ((await answers.predict([png], { candidate_labels, hypothesis_template })) as Scores[])[0]!;
    const single = await ask("a {} .");
    expect(await ask(["a {} .", "a {} ."])).toEqual(single);
    expect(await ask(["a {} .", "the {} !"])).not.toEqual(single);
  });

  test("scores each label by itself where the model learned so", async () => {
    const answers = await open("siglip");
    const options = { candidate_labels: "film, book", hypothesis_template: "{}" };
    const [scores] = (await answers.predict([png], options)) as Scores[];
    const logits = await directScores("siglip", ["film", "book"]);
    for (const [index, label] of ["film", "book"].entries())
      expect(byLabel(scores!)[label]).toBeCloseTo(1 / (1 + Math.exp(-logits[index]!)), 5);
  });

  test("refuses a question without labels and a template without a place for them", async () => {
    const answers = await open("clip");
    await expect(answers.predict([png])).rejects.toThrow(/candidate_labels/);
    const options = { candidate_labels, hypothesis_template: "a photo" };
    await expect(answers.predict([png], options)).rejects.toThrow(/must hold \{\}/);
  });
});

describe("image-to-text", () => {
  test("captions a picture from its beginning, the same in a batch as alone", async () => {
    const answers = await open("captions");
    const options = { prompt: "the film", max_new_tokens: 5 };
    const [alone] = (await answers.predict([png], options)) as { generated_text: string }[][];
    expect(alone![0]!.generated_text.startsWith("the film")).toBe(true);
    const others = await Promise.all([pngOf(16, 2), pngOf(16, 3)]);
    const together = await answers.predict([...others, png], options);
    expect(together[2]).toEqual(alone);
  });

  test("is refused by a model that answers questions", async () => {
    const model = await openForTask(at("questions"), undefined, { threads: 1 }, thisThread);
    expect(() => predictor(model, { task: "text-generation" })).toThrow(/visual-question-answering/);
  });

  test("needs the preprocessor of the model", async () => {
    cpSync(at("captions"), at("bare"), { recursive: true });
    rmSync(join(at("bare"), "preprocessor_config.json"));
    await expect(openForTask(at("bare"), undefined, { threads: 1 }, thisThread)).rejects.toThrow(
      /preprocessor_config\.json/,
    );
  });
});

describe("image-text-matching", () => {
  const texts = ["film", "the book was a good story"];

  test("gives a CLIP's own logits, best first", async () => {
    const model = await openForTask(at("clip"), undefined, { provider: "cpu", threads: 1 }, thisThread);
    const answers = predictor(model, { task: "image-text-matching" });
    opened.push(answers);
    const [scores] = (await answers.predict([{ image: png, text: texts }])) as Scores[];
    const logits = await directScores("clip", texts);
    for (const [index, label] of texts.entries())
      expect(byLabel(scores!)[label]).toBeCloseTo(logits[index]!, 4);
    const ratios = (scores as TextMatch[]).map(({ score, similarity }) => score / similarity);
    expect(ratios[0]).toBeCloseTo(ratios[1]!, 3); // the scale
    expect(scores![0]!.score).toBeGreaterThanOrEqual(scores![1]!.score);
  });

  test("gives a matcher's probabilities, for one text as for several", async () => {
    await writeTinyMatcher(at("matcher"));
    const answers = await open("matcher");
    const [scores] = (await answers.predict([{ image: png, text: texts }])) as Scores[];
    const [[alone]] = (await answers.predict([{ image: png, text: texts[0]! }])) as [Scores];
    expect(byLabel(scores!)[texts[0]!]).toBeCloseTo(alone!.score, 5);
    for (const { score } of scores!) expect(score).toBeGreaterThan(0);
    await expect(answers.predict([{ image: png, text: [] }])).rejects.toThrow(/input 1: text: /);
  });
});

describe("visual-question-answering", () => {
  test("answers questions of different lengths in one batch as alone", async () => {
    const answers = await open("questions");
    const asked = ["a film ?", "the book was a good story , was the film ?"].map((question) => ({
      image: png,
      question,
    }));
    const together = await answers.predict(asked, { max_new_tokens: 5 });
    for (const [index, one] of asked.entries())
      expect(await answers.predict([one], { max_new_tokens: 5 })).toEqual([together[index]]);
  });
});
