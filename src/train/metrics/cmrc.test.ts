import { describe, expect, test } from "vitest";
import { chineseAnswerScores } from "./cmrc.ts";

describe("CMRC 2018 scores", () => {
  test("ignore case, white space around, and Chinese marks", () => {
    expect(chineseAnswerScores(" 《三国·志》GB ", ["三国志gb"])).toEqual({ exactMatch: 1, f1: 1 });
  });

  test("F1 counts the longest run of characters in common, not all common characters", () => {
    // 北京大 in a row: 3 of 5 given and 3 of 4 true.
    expect(chineseAnswerScores("在北京大院", ["北京大学"]).f1).toBeCloseTo((2 * 3) / (5 + 4), 12);
    // The same characters in another order share a run of one.
    expect(chineseAnswerScores("学大京北", ["北京大学"]).f1).toBeCloseTo(2 / 8, 12);
  });

  test("words and numbers of other writing are one unit each", () => {
    // 1998 | 年 | apollo against 1998 | 年: a run of two.
    expect(chineseAnswerScores("1998年Apollo", ["1998年"]).f1).toBeCloseTo((2 * 2) / (3 + 2), 12);
    expect(chineseAnswerScores("3.5%", ["3.5"]).f1).toBeCloseTo((2 * 1) / (2 + 1), 12);
  });

  test("take the best of the true answers; nothing in common is 0", () => {
    expect(chineseAnswerScores("上海", ["北京", "上海市"])).toEqual({ exactMatch: 0, f1: 0.8 });
    expect(chineseAnswerScores("上海", ["北京"])).toEqual({ exactMatch: 0, f1: 0 });
  });

  test("only an empty answer meets a question without one", () => {
    expect(chineseAnswerScores("", [])).toEqual({ exactMatch: 1, f1: 1 });
    expect(chineseAnswerScores("上海", [])).toEqual({ exactMatch: 0, f1: 0 });
  });
});
