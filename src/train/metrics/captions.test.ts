import { describe, expect, test } from "vitest";
import { captionWords } from "./caption-words.ts";
import { captionMetrics } from "./captions.ts";
import { corpusCider } from "./cider.ts";

/** With the scores that the COCO evaluation's own code gives them. */
const captions = [
  "a man rides a horse on the beach",
  "two dogs play in the snow",
  "a cat",
  "a red bus on the street on the street",
];
const references = [
  [
    "a man riding a horse along a beach",
    "a person rides a brown horse by the sea",
    "man on a horse on the beach",
  ],
  ["two dogs are playing in the snow", "a pair of dogs run through snow"],
  ["a black cat sleeping on a wooden chair", "a cat lies on a chair"],
  ["a red bus on the street", "a double decker bus drives down the street in the city"],
];
const ciderScores = [3.2900126831501035, 2.2002548479810087, 1.3969074563545, 3.5467499612858777];

const cut = (texts: readonly string[]): string[][] => texts.map((text) => text.split(" "));

describe("CIDEr-D", () => {
  test("of each caption is the COCO evaluation's", () => {
    const { score, scores } = corpusCider(cut(captions), references.map(cut));
    for (const [at, wanted] of ciderScores.entries()) expect(scores[at]).toBeCloseTo(wanted, 12);
    expect(score).toBeCloseTo(2.6084812371928723, 12);
  });

  test("is 10 for the references themselves, 0 for one picture alone and for nothing in common", () => {
    const texts = cut(["a man on a horse", "two dogs in deep snow"]);
    expect(
      corpusCider(
        texts,
        texts.map((text) => [text]),
      ).score,
    ).toBeCloseTo(10, 12);
    expect(corpusCider(texts.slice(0, 1), [[texts[0]!]]).score).toBe(0);
    expect(
      corpusCider(
        cut(["x y", "z"]),
        texts.map((text) => [text]),
      ).score,
    ).toBe(0);
  });

  test("does not pay for a word said twice", () => {
    const scoreOf = (caption: string): number =>
      corpusCider(cut([caption, "a dog"]), [cut(["a red bus stops"]), cut(["a dog"])]).scores[0]!;
    expect(scoreOf("bus bus bus bus")).toBeLessThan(scoreOf("bus stops"));
  });

  test("needs a reference for each caption", () => {
    expect(() => corpusCider([["a"]], [])).toThrow(/got 1 and 0/);
    expect(() => corpusCider([["a"]], [[]])).toThrow(/must have a reference/);
  });
});

describe("metrics of captions", () => {
  test("have CIDEr-D and the BLEU-4 of the COCO evaluation", () => {
    const { cider_d, bleu4 } = captionMetrics(captions, references);
    expect(cider_d).toBeCloseTo(2.6084812371928723, 12);
    expect(bleu4).toBeCloseTo(43.08806218, 4); // its precisions have 1e-9 added below
  });

  test("do not see case and punctuation", () => {
    const shown = captions.map((text) => `${text[0]!.toUpperCase()}${text.slice(1)}.`);
    expect(captionMetrics(shown, references)).toEqual(captionMetrics(captions, references));
  });
});

describe("words of captions", () => {
  test.each([
    ["A man, a plan - a canal: Panama!", "a man a plan a canal panama"],
    ["The dog's owner doesn't run; he’s late…", "the dog 's owner does n't run he 's late"],
    ["I cannot say we'll see 3.5 or 1,000 at 10:30.", "i can not say we 'll see 3.5 or 1,000 at 10:30"],
    ["woman: medium-light skin tone, white hair", "woman medium-light skin tone white hair"],
    ['A "Stop" sign (red) & a U.S. flag', "a stop sign -lrb- red -rrb- & a u.s. flag"],
    ["Mr. Smith's 'big' t-shirt --- and one -", "mr. smith 's big t-shirt and one"],
    ["keycap: #", "keycap #"],
    ["flag: Côte d’Ivoire", "flag côte d'ivoire"],
    ["  ", ""],
  ])("of %j are %j", (caption, words) => {
    expect(captionWords(caption).join(" ")).toBe(words);
  });
});
