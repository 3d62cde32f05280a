import { describe, expect, test } from "vitest";
import { corpusBleu } from "./bleu.ts";
import { type BleuTokenizer, bleuTokenizers } from "./bleu-tokenizers.ts";

/** Hypotheses, references and the scores that sacreBLEU 2.6.0 gives them. */
const cases: readonly {
  readonly title: string;
  readonly hypotheses: readonly string[];
  readonly references: readonly (readonly string[])[];
  readonly scores: Readonly<Record<BleuTokenizer, number>>;
}[] = [
  {
    title: "two references, as in sacreBLEU's README",
    hypotheses: ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."],
    references: [
      ["The dog bit the man.", "The dog had bit the man."],
      ["It was not unexpected.", "No one was surprised."],
      ["The man bit him first.", "The man had bitten the dog."],
    ],
    scores: { "13a": 48.53082701, intl: 43.91623493, zh: 48.53082701, char: 72.61064153, none: 49.1919566 },
  },
  {
    title: "numbers, entities and symbols",
    hypotheses: [
      "It costs $1,234.56 - really? &quot;yes&quot; 3-4 e.g., a.b.",
      "<skipped> He's <b>bold</b> & 50% off\u00a0now; #1/2 @home",
      "… “quotes” 1.000.000,5 €20 ½ x²=4  ",
    ],
    references: [
      ['It costs $1,234.50 — really? "yes" 3-4 e.g. a.b'],
      ["He's <b>bold</b> &amp; 50 % off now; # 1/2 @ home"],
      ['... "quotes" 1.000.000,5 € 20 1/2 x²=4'],
    ],
    scores: { "13a": 66.93446335, intl: 50.02572367, zh: 51.98567294, char: 66.19259061, none: 6.393997 },
  },
  {
    title: "Chinese",
    hypotheses: ["他说：“你好，世界！”3.5米", "今天 the weather 是 very 好…… 20%", "𠀀字①②"],
    references: [["他说：“你好世界！”3,5米"], ["今天天气 is very 好…… 20％"], ["𠀀字①③"]],
    scores: { "13a": 10.44552273, intl: 23.61132511, zh: 50.41350242, char: 46.82568791, none: 12.33471341 },
  },
];

describe.each(cases)("BLEU of $title", ({ hypotheses, references, scores }) => {
  test.each(Object.keys(bleuTokenizers) as BleuTokenizer[])("is sacreBLEU's with %s", (tokenizer) => {
    expect(corpusBleu(hypotheses, references, tokenizer).score).toBeCloseTo(scores[tokenizer], 6);
  });
});

describe("BLEU", () => {
  test("tells its parts", () => {
    const { hypotheses, references } = cases[0]!;
    const score = corpusBleu(hypotheses, references);
    expect(score).toMatchObject({ hypothesisLength: 17, referenceLength: 18 });
    expect(score.brevityPenalty).toBeCloseTo(0.943, 3);
    expect(score.precisions.map((precision) => precision.toFixed(1))).toEqual([
      "82.4",
      "50.0",
      "45.5",
      "37.5",
    ]);
  });

  test("of the references themselves is 100, of nothing in common 0", () => {
    const texts = ["A man sits on a bench.", "Two dogs run in the snow."];
    const own = texts.map((text) => [text]);
    expect(corpusBleu(texts, own).score).toBeCloseTo(100, 9);
    expect(corpusBleu(["x y", "z"], own).score).toBe(0);
    expect(corpusBleu(["", ""], own).score).toBe(0);
    expect(corpusBleu(["the cat"], [["the cat sat"]]).score).toBe(0); // too short for 4-grams
  });

  test("needs a reference for each hypothesis", () => {
    expect(() => corpusBleu(["a", "b"], [["a"]])).toThrow(/got 2 and 1/);
    expect(() => corpusBleu(["a"], [[]])).toThrow(/must have a reference/);
  });
});
