import { describe, expect, test } from "vitest";
import { perplexity } from "./perplexity.ts";
import { answerScores, normaliseAnswer } from "./squad.ts";

describe("SQuAD scores", () => {
  test("ignore case, punctuation, articles and white space", () => {
    expect(normaliseAnswer("  The  U.S.A.,\tan (old) Theatre ")).toBe("usa old theatre");
    expect(answerScores("the Broncos!", ["Denver", "broncos"])).toEqual({ exactMatch: 1, f1: 1 });
  });

  test("articles are whole words, also beside letters with accents", () => {
    expect(normaliseAnswer("à la théa the")).toBe("à la théa");
  });

  test("F1 counts repeated words once for each time they are there", () => {
    // 2 words in common ("new" once, "york" once) of 3 given and 4 true.
    expect(answerScores("new new york", ["new york city hall"]).f1).toBeCloseTo((2 * 2) / (3 + 4), 12);
  });

  test("take the best of the true answers", () => {
    const { exactMatch, f1 } = answerScores("Santa Clara", ["Levi's Stadium", "Santa Clara, California"]);
    expect([exactMatch, f1]).toEqual([0, 0.8]);
  });

  test("only an empty answer meets a question without one", () => {
    expect(answerScores("", [])).toEqual({ exactMatch: 1, f1: 1 });
    expect(answerScores("1997", [])).toEqual({ exactMatch: 0, f1: 0 });
    expect(answerScores("", ["1997"])).toEqual({ exactMatch: 0, f1: 0 });
  });
});

describe("perplexity", () => {
  test("of a uniform guess among n is n", () => {
    expect(perplexity(Math.log(50))).toBeCloseTo(50, 10);
    expect(perplexity(5000)).toBeLessThan(Number.POSITIVE_INFINITY);
  });
});
