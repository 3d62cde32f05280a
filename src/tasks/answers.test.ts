import { describe, expect, test } from "vitest";
import { tinyTokenizer } from "../../test/support/tiny-model.ts";
import { bestSpans, contextSpan, documentWindows } from "./answers.ts";

const tokenizer = tinyTokenizer();
const question = "who ran ?";
const context = "john smith runs. mary likes reding books";
const limits = { maxLength: 64, stride: 8 };
const [window] = documentWindows(tokenizer, question, context, limits);

/** Logits that are high at one position. */
const peakAt = (at: number, height = 9): number[] => window!.ids.map((_, i) => (i === at ? height : 0));

describe("answer spans", () => {
  test("are read where start and end are likeliest", () => {
    const first = window!.sequenceIds.indexOf(1);
    const { spans } = bestSpans(window!, peakAt(first), peakAt(first + 1), { count: 1, maxTokens: 15 });
    expect(context.slice(...contextSpan(window!, spans[0]!))).toBe("john smith");
  });

  test("never lie in the question, end before they start, or exceed their longest length", () => {
    const { spans } = bestSpans(window!, peakAt(1), peakAt(2), { count: 1000, maxTokens: 3 });
    for (const { start, end } of spans) {
      expect(window!.sequenceIds.slice(start, end + 1).every((id) => id === 1)).toBe(true);
      expect(end - start).toBeGreaterThanOrEqual(0);
      expect(end - start).toBeLessThan(3);
    }
    const tokens = window!.sequenceIds.filter((id) => id === 1).length;
    expect(spans).toHaveLength(3 * tokens - 3);
  });

  test("probabilities of all spans and of no answer come from one softmax", () => {
    const tokens = window!.sequenceIds.filter((id) => id === 1).length;
    const even = window!.ids.map(() => 0);
    const { spans, none } = bestSpans(window!, even, even, { count: 1, maxTokens: 15 });
    expect(spans[0]!.score).toBeCloseTo(1 / (tokens + 1) ** 2, 12);
    expect(none.score).toBeCloseTo(1 / (tokens + 1) ** 2, 12);
    expect(bestSpans(window!, peakAt(0), peakAt(0), { count: 1, maxTokens: 15 }).none.score).toBeGreaterThan(
      0.9,
    );
  });

  test("widen to whole words", () => {
    const piece = window!.tokens.indexOf("##ing");
    expect(context.slice(...contextSpan(window!, { start: piece, end: piece }))).toBe("reding");
  });

  test("windows cover the whole context, each with the question", () => {
    const long = Array.from({ length: 200 }, () => "river").join(" ");
    const windows = documentWindows(tokenizer, question, long, { maxLength: 32, stride: 8 });
    const covered = new Set(
      windows
        .flatMap(({ offsets, sequenceIds }) => offsets.filter((_, i) => sequenceIds[i] === 1))
        .map(String),
    );
    expect(covered.size).toBe(200);
    for (const { ids } of windows) expect(tokenizer.decode(ids.slice(1, 4))).toBe("who ran?");
  });
});
