import { describe, expect, test } from "vitest";
import { logSoftmaxOf } from "../../test/support/log-softmax.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { BeamSearch } from "./beam-search.ts";
import { StepOutputs } from "./decoder.ts";
import type { GenerationSettings } from "./options.ts";
import type { Generated } from "./search.ts";

const words = 4;
const eos = 3;
const maxLength = 5;

/** A language whose next word depends on all before it, by hashing. */
function nextWords(seed: number, ids: readonly number[]): number[] {
  const random = new Random(seed).fork(...ids);
  return logSoftmaxOf(Array.from({ length: words }, () => 2 * random.normal()));
}

function search(seed: number, settings: GenerationSettings): readonly Generated[] {
  const beams = new BeamSearch({ eos_token_id: [eos], ...settings }, [], { promptLength: 1, maxLength }, [0]);
  let rows: number[][] = [[0]];
  while (rows.length > 0) {
    const data = Float32Array.from(rows.flatMap((ids) => nextWords(seed, ids)));
    const tensor = new Tensor("float32", [rows.length, words], data);
    const order = rows.map((_, at) => at);
    const next = beams.advance(new StepOutputs({ log_probabilities: tensor }, order), 0);
    rows = next.map(({ parent, token }) => [...rows[parent]!, token]);
  }
  return beams.results();
}

/** Every sequence that may come out, with its score, best first. */
function allSequences(seed: number, lengthPenalty: number): { ids: number[]; score: number }[] {
  const found: { ids: number[]; score: number }[] = [];
  const extend = (ids: number[], sum: number): void => {
    for (const [word, logProbability] of nextWords(seed, ids).entries()) {
      const total = sum + logProbability;
      const longer = [...ids, word];
      if (word === eos) found.push({ ids: longer.slice(1), score: total / ids.length ** lengthPenalty });
      else if (longer.length === maxLength) {
        found.push({ ids: longer.slice(1), score: total / maxLength ** lengthPenalty });
      } else extend(longer, total);
    }
  };
  extend([0], 0);
  return found.sort((a, b) => b.score - a.score);
}

describe("beam search", () => {
  test("with a beam for every sequence finds the best ones, in order", () => {
    for (let seed = 0; seed < 30; seed++) {
      const expected = allSequences(seed, 1).slice(0, 3);
      const found = search(seed, { num_beams: 200, num_return_sequences: 3 });
      expect(found.map(({ ids }) => ids)).toEqual(expected.map(({ ids }) => ids));
      for (const [at, { score }] of found.entries()) expect(score).toBeCloseTo(expected[at]!.score, 4);
    }
  });

  test("a greater length penalty makes for longer texts", () => {
    const lengthWith = (length_penalty: number): number => {
      const found = Array.from(
        { length: 30 },
        (_, seed) => search(seed, { num_beams: 4, length_penalty })[0]!,
      );
      return found.reduce((sum, { ids }) => sum + ids.length, 0);
    };
    expect(lengthWith(3)).toBeGreaterThan(lengthWith(-1));
  });

  test("with early stopping ends with as many ended texts as beams, not better than without", () => {
    for (let seed = 0; seed < 30; seed++) {
      const [early] = search(seed, { num_beams: 3, early_stopping: true });
      const [late] = search(seed, { num_beams: 3 });
      expect(early!.score!).toBeLessThanOrEqual(late!.score! + 1e-6);
    }
  });

  test("says why a text ended", () => {
    for (const { ids, ending } of search(1, { num_beams: 4, num_return_sequences: 4 })) {
      expect(ending).toBe(ids.at(-1) === eos ? "eos" : "length");
    }
  });
});
