import { describe, expect, test } from "vitest";
import { parseModelDefaults } from "./options.ts";
import { rulesOf } from "./rules.ts";

const never = Number.NEGATIVE_INFINITY;

/** Scores of six tokens after the rules that options ask for. */
function changed(options: object, ids: number[], scores = [1, 2, 3, -1, -2, -3]): number[] {
  const result = Float32Array.from(scores);
  const settings = parseModelDefaults({ ...options }, "test");
  for (const rule of rulesOf(settings, { promptLength: 2, maxLength: 10 })) rule(result, ids);
  return [...result];
}

describe("rules of generation", () => {
  test("are none without options, so that the likeliest token can be found in the graph", () => {
    const settings = parseModelDefaults(
      { repetition_penalty: 1, no_repeat_ngram_size: 0, min_length: 0 },
      "test",
    );
    expect(rulesOf(settings, { promptLength: 1, maxLength: 10 })).toEqual([]);
  });

  test("a repetition penalty divides positive scores and multiplies negative ones, once for each token", () => {
    expect(changed({ repetition_penalty: 2 }, [1, 1, 4])).toEqual([1, 1, 3, -1, -4, -3]);
  });

  test("no sequence of n tokens comes twice", () => {
    expect(changed({ no_repeat_ngram_size: 3 }, [1, 2, 5, 0, 1, 2])).toEqual([1, 2, 3, -1, -2, never]);
    expect(changed({ no_repeat_ngram_size: 1 }, [0, 4])).toEqual([never, 2, 3, -1, never, -3]);
    expect(changed({ no_repeat_ngram_size: 4 }, [1, 2])).toEqual([1, 2, 3, -1, -2, -3]);
  });

  test("bad words are forbidden where all but their last token have come, the end token alone is none", () => {
    const options = { bad_words_ids: [[3], [0, 4], [5, 5, 1], [2]], eos_token_id: 2 };
    expect(changed(options, [1, 0])).toEqual([1, 2, 3, never, never, -3]);
    expect(changed(options, [5, 5])).toEqual([1, never, 3, never, -2, -3]);
  });

  test("a text does not end before its least length, prompt included or new tokens alone", () => {
    const options = { min_length: 4, eos_token_id: [0, 5] };
    expect(changed(options, [1, 1, 1])).toEqual([never, 2, 3, -1, -2, never]);
    expect(changed(options, [1, 1, 1, 1])).toEqual([1, 2, 3, -1, -2, -3]);
    const newOnly = { min_new_tokens: 3, eos_token_id: 0 };
    expect(changed(newOnly, [1, 1, 1, 1])[0]).toBe(never);
    expect(changed(newOnly, [1, 1, 1, 1, 1])[0]).toBe(1);
  });

  test("forced tokens come second and last, whatever the other rules say", () => {
    const options = { forced_bos_token_id: 4, forced_eos_token_id: 5, bad_words_ids: [[5], [4]] };
    expect(changed(options, [1])).toEqual([never, never, never, never, 0, never]);
    expect(changed(options, [1, 1, 1, 1, 1, 1, 1, 1, 1])).toEqual([never, never, never, never, never, 0]);
  });

  test("suppressed tokens never come, or only not first", () => {
    expect(changed({ suppress_tokens: [0, 1] }, [1, 1, 1])).toEqual([never, never, 3, -1, -2, -3]);
    expect(changed({ begin_suppress_tokens: [2] }, [1, 1])[2]).toBe(never);
    expect(changed({ begin_suppress_tokens: [2] }, [1, 1, 1])[2]).toBe(3);
  });

  test("scores are normalised again after the other rules", () => {
    const scores = changed({ suppress_tokens: [0], renormalize_logits: true }, [1]);
    expect(scores.reduce((sum, score) => sum + Math.exp(score), 0)).toBeCloseTo(1, 6);
    expect(scores[0]).toBe(never);
  });
});
