import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, writeTinyBlip, writeTinyClip, writeTinyMatcher } from "../../test/support/tiny-images.ts";
import { pipeline } from "../tasks/pipeline.ts";
import { explainPair, type PairExplanation } from "./pair-explain.ts";
import { wordLabel } from "./pair-figures.ts";
import { pairExplanationHtml, pairExplanationPng } from "./pair-page.ts";

const folder = useTemporaryFolder();
const cpu = { provider: "cpu", threads: 1 } as const;
const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
let png: Buffer;
let [captioner, matcher, clip] = ["", "", ""];

beforeAll(async () => {
  png = await pngOf(16, 2);
  captioner = await writeTinyBlip(join(folder, "captions"), "BlipForConditionalGeneration");
  matcher = await writeTinyMatcher(join(folder, "matcher"));
  clip = await writeTinyClip(join(folder, "clip"));
});

const known = new Map<string, Promise<PairExplanation>>();
/** Computed once for all tests. */
function explained(model: string, text: string): Promise<PairExplanation> {
  const key = JSON.stringify([model, text]);
  const explanation = known.get(key) ?? explainPair(model, png, { ...cpu, text });
  known.set(key, explanation);
  return explanation;
}

/** The attention of each word in the first layer. */
const attentionOf = ({ words }: PairExplanation): (readonly number[])[] =>
  words.map(({ regions }) => regions!.attention[0]!.values);

describe("explaining a caption", () => {
  const text = "The  filmed story , good";

  test("finds the words at their places in the text, made of one token or several", async () => {
    const { words, isGenerated } = await explained(captioner, text);
    expect(isGenerated).toBe(false);
    expect(words.map(({ text: word, start, end }) => [word, text.slice(start, end)])).toEqual(
      ["The", "filmed", "story", ",", "good"].map((word) => [word, word]),
    );
    expect(words.map(({ tokens }) => tokens)).toEqual([[1], [2, 3], [4], [5], [6]]);
  });

  test("gives a map over the patches for each word and layer, and of all words their mean", async () => {
    const { words, regions } = await explained(captioner, "the good film");
    for (const kind of ["attention", "weighted"] as const) {
      const maps = words.map((word) => word.regions![kind][0]!);
      expect(maps.map(({ rows, columns, values }) => [rows, columns, values.length])).toEqual([
        [2, 2, 4],
        [2, 2, 4],
        [2, 2, 4],
      ]);
      const mean = maps[0]!.values.map((_, at) => total(maps.map(({ values }) => values[at]!)) / 3);
      expect(regions![kind][0]!.values).toEqual(mean.map((value) => expect.closeTo(value, 6)));
    }
  });

  test("reads a word where it is about to be written: what it is changes its probability, not the attention", async () => {
    const [film, book] = await Promise.all(
      ["the good film", "the good book"].map((caption) => explained(captioner, caption)),
    );
    expect(attentionOf(film!)).toEqual(
      attentionOf(book!).map((values) => values.map((value) => expect.closeTo(value, 5))),
    );
    const [a, b] = [film!, book!].map(({ words }) => words.map(({ probability }) => probability!));
    expect(a!.slice(0, 2)).toEqual(b!.slice(0, 2).map((value) => expect.closeTo(value, 5)));
    expect(a![2]).not.toBeCloseTo(b![2]!, 4);
  });

  test("explains the caption that the model writes where none is given", async () => {
    const write = await pipeline("image-to-text", captioner, cpu);
    const [written] = await write(png);
    await write.dispose();
    const { text: explained, isGenerated, words } = await explainPair(captioner, png, cpu);
    expect([explained, isGenerated]).toEqual([written!.generated_text, true]);
    for (const { probability } of words) expect(probability).toBeGreaterThan(1 / 200);
  });
});

const text = "mary saw a red <b>";

describe("explaining why a text matches", () => {
  test("a BLIP's log odds are those of the pipeline, and its words add up to their rise", async () => {
    const { match, words, tokens, regions } = await explained(matcher, text);
    const ask = await pipeline("image-text-matching", matcher, cpu);
    const [answer] = await ask(png, text);
    await ask.dispose();
    expect(match!.probability).toBeCloseTo(answer!.score, 5);
    expect(match!.tokens.integratedGradients).toHaveLength(tokens.length);
    const rise = match!.score - match!.tokens.baselineScore;
    expect(Math.abs(rise)).toBeGreaterThan(1e-3);
    expect(total(words.map(({ contribution }) => contribution!))).toBeCloseTo(rise, 3);
    expect(match!.baselineToken).toBe("[MASK]");
    expect(words.every((word) => word.regions!.weighted[0]!.values.every((value) => value >= 0))).toBe(true);
    expect(regions!.attention).toHaveLength(1);
  });

  test("a CLIP's logit is that of the pipeline; words, pixels and patches each add up to its rise", async () => {
    const { match, words, regions } = await explained(clip, text);
    const ask = await pipeline("image-text-matching", clip, cpu);
    const [answer] = await ask(png, text);
    await ask.dispose();
    const { score, tokens, pixels, patches } = match!;
    expect([score, regions]).toEqual([expect.closeTo(answer!.score, 4), undefined]);
    expect(total(words.map(({ contribution }) => contribution!))).toBeCloseTo(
      score - tokens.baselineScore,
      2,
    );
    const rise = score - pixels!.baselineScore;
    expect(Math.abs(rise)).toBeGreaterThan(0.01);
    expect(total(pixels!.integratedGradients)).toBeCloseTo(rise, 2);
    expect(patches!.values).toHaveLength(4);
    expect(total(patches!.values)).toBeCloseTo(total(pixels!.integratedGradients), 6);
  });

  test("a plain picture has nothing that counts", async () => {
    const black = await sharp({ create: { width: 16, height: 16, channels: 3, background: "#000" } })
      .png()
      .toBuffer();
    const { match } = await explainPair(clip, black, { ...cpu, text });
    expect(match!.pixels!.baselineScore).toBeCloseTo(match!.score, 4);
    expect(match!.patches!.values.map(Math.abs)).toEqual([0, 0, 0, 0]);
  });
});

describe("what cannot be explained", () => {
  test.each<[string, () => string, object, RegExp]>([
    ["a match without a text", () => matcher, {}, /give the text too/],
    ["an empty text", () => matcher, { text: " " }, /at least one token/],
    [
      "a task of another model",
      () => matcher,
      { text: "a", task: "image-to-text" },
      /is for image-text-matching, not/,
    ],
  ])("is refused: %s", async (_, model, options, message) => {
    await expect(explainPair(model(), png, { ...cpu, ...options })).rejects.toThrow(message);
  });

  test("is refused: a model of questions", async () => {
    const questions = await writeTinyBlip(join(folder, "questions"), "BlipForQuestionAnswering");
    await expect(explainPair(questions, png, cpu)).rejects.toThrow(
      /cannot be explained with a picture and a text/,
    );
  });
});

describe("drawings of a picture with a text", () => {
  test("show the picture, all words and each word twice; one layer or their mean", async () => {
    const explanation = await explained(matcher, text);
    const words = explanation.words.length;
    const page = await pairExplanationHtml("my model", explanation);
    expect(page.match(/<img /g)).toHaveLength(3 + 2 * words);
    expect(page).toContain("&#60;");
    expect(page).not.toMatch(/https?:\/\/|<b>/);
    expect(await pairExplanationHtml("my model", explanation, 1)).toContain("layer 1");
    await expect(pairExplanationHtml("my model", explanation, 2)).rejects.toThrow(/one of 1 to 1, got 2/);
    const { width, height } = await sharp(await pairExplanationPng(explanation)).metadata();
    expect([width, height! > 5 * 224]).toEqual([12 + 6 * (224 + 12), true]); // six in a row
  });

  test("of two towers show patches and pixels", async () => {
    const explanation = await explained(clip, text);
    expect((await pairExplanationHtml("my model", explanation)).match(/<img /g)).toHaveLength(3);
    expect(wordLabel(explanation.words[0]!)).toMatch(/^mary [+−]\d+\.\d{3}$/);
  });
});
