import { describe, expect, test } from "vitest";
import { answerMetrics, languageOf, type ScoredAnswer } from "./answers.ts";

const answer = (text: string, truth: string, nullDifference: number): ScoredAnswer => ({
  text,
  truths: truth === "" ? [] : [truth],
  nullDifference,
});

describe("metrics of answers", () => {
  test("where every question has an answer, every question gets one", () => {
    const answers = [answer("ada", "Ada", 5), answer("paris", "london", -5)];
    expect(answerMetrics(answers, "english")).toEqual({ exact_match: 0.5, f1: 0.5 });
  });

  test("where some have none, the higher score decides, and both kinds are told apart", () => {
    const answers = [
      answer("ada", "ada", -1), // answered, right
      answer("ada", "ada", 1), // not answered, though there is an answer
      answer("paris", "", 2), // rightly not answered
      answer("paris", "", -2), // answered, though there is none
    ];
    const metrics = answerMetrics(answers, "english");
    expect(metrics).toMatchObject({
      exact_match: 0.5,
      f1: 0.5,
      f1_answerable: 0.5,
      accuracy_unanswerable: 0.5,
    });
  });

  test("the best threshold of the difference is found, and what it brings", () => {
    // Answering up to a difference of 1 is right for all; at 0 the second is left unanswered.
    const answers = [answer("ada", "ada", -1), answer("ada", "ada", 1), answer("paris", "", 2)];
    expect(answerMetrics(answers, "english")).toMatchObject({ f1: 2 / 3, best_f1: 1, best_threshold: 1 });
    // Nothing should be answered.
    const wrong = [answer("paris", "", -3), answer("rome", "", -1)];
    const { best_f1, best_threshold } = answerMetrics(wrong, "english");
    expect(best_f1).toBe(1);
    expect(best_threshold).toBeLessThan(-3);
  });

  test("equal differences are answered together or not at all", () => {
    const answers = [answer("paris", "", 0), answer("ada", "ada", 0), answer("rome", "", 0)];
    expect(answerMetrics(answers, "english").best_f1).toBeCloseTo(2 / 3, 12);
  });

  test("Chinese answers are compared by characters", () => {
    expect(answerMetrics([answer("北京大学", "北京", 0)], "chinese").f1).toBeCloseTo(4 / 6, 12);
    expect(answerMetrics([answer("北京大学", "北京", 0)], "english").f1).toBe(0);
  });

  test("the language is Chinese where at least half of the letters are", () => {
    expect(languageOf(["1998年Apollo计划的任务之一"])).toBe("chinese");
    expect(languageOf(["Beijing (北京) is the capital"])).toBe("english");
    expect(languageOf([])).toBe("english");
  });
});
