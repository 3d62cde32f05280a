import { describe, expect, test } from "vitest";
import { evaluate, graphOf } from "../../test/support/evaluate.ts";
import { input } from "../graph/node.ts";
import { Context } from "../nn/context.ts";
import { countParameters, Init, initialValue } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type ConfigJson, parseConfig } from "./config.ts";
import {
  Gpt2ForSequenceClassification,
  Gpt2ForTokenClassification,
  Gpt2LMHeadModel,
  gpt2ConfigSchema,
  gpt2Configs,
} from "./gpt2.ts";
import type { Model } from "./model.ts";

const configOf = (json: ConfigJson) => parseConfig(gpt2ConfigSchema, json, "test");
const tiny = { vocab_size: 20, n_embd: 8, n_layer: 2, n_head: 2, n_positions: 12 };

/** Parameters of GPT2LMHeadModel, the head tied to the word vectors, of every named config. */
const counts: Record<keyof typeof gpt2Configs, number> = {
  gpt2: 124_439_808,
  "gpt2-medium": 354_823_168,
  "gpt2-large": 774_030_080,
  "gpt2-xl": 1_557_611_200,
  distilgpt2: 81_912_576,
};

/** An output of a model for one text, with the first weights of a seed. */
async function outputOf(
  model: Model,
  name: string,
  ids: number[],
  mask = ids.map(() => 1),
): Promise<number[]> {
  const shape = [1, ids.length];
  const inputs = {
    input_ids: input("ids", "int64", shape),
    attention_mask: input("mask", "int64", shape),
  };
  const output = model.forward(Context.inference(), inputs)[name]!;
  const weights = [...graphOf([output]).parameters].map(([node, key]) => [key, initialValue(node, key, 1)]);
  const [value] = await evaluate([output], {
    ids: Tensor.from("int64", shape, ids),
    mask: Tensor.from("int64", shape, mask),
    ...Object.fromEntries(weights),
  });
  return value!.toNumbers();
}

function expectNear(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [at, value] of expected.entries()) expect(actual[at]).toBeCloseTo(value, 5);
}

describe("GPT-2", () => {
  test.each(Object.entries(gpt2Configs))("%s has the published number of parameters", (name, json) => {
    const model = new Gpt2LMHeadModel(new Init(), configOf(json));
    expect(countParameters(model)).toBe(counts[name as keyof typeof gpt2Configs]);
  });

  test("has a head of its own where the word vectors are not to be it", () => {
    const tied = new Gpt2LMHeadModel(new Init(), configOf(tiny));
    const untied = new Gpt2LMHeadModel(new Init(), configOf({ ...tiny, tie_word_embeddings: false }));
    expect(countParameters(untied) - countParameters(tied)).toBe(20 * 8);
  });

  test("later tokens change nothing for those before", async () => {
    const model = new Gpt2LMHeadModel(new Init(0.5), configOf(tiny));
    const short = await outputOf(model, "logits", [1, 2, 3]);
    const long = await outputOf(model, "logits", [1, 2, 3, 9, 4]);
    expectNear(long.slice(0, short.length), short);
  });

  test.each([
    { scale_attn_weights: false },
    { scale_attn_by_inverse_layer_idx: true },
    { activation_function: "relu" },
    { layer_norm_epsilon: 0.1 },
    { n_inner: 12 },
  ])("%j changes the result, without new weights but for the inner size", async (option) => {
    const plain = new Gpt2LMHeadModel(new Init(0.5), configOf(tiny));
    const changed = new Gpt2LMHeadModel(new Init(0.5), configOf({ ...tiny, ...option }));
    const [before, after] = [
      await outputOf(plain, "logits", [1, 2, 3]),
      await outputOf(changed, "logits", [1, 2, 3]),
    ];
    expect(Math.max(...before.map((value, at) => Math.abs(value - after[at]!)))).toBeGreaterThan(1e-3);
  });

  test("classifies a text by its last token, whatever padding follows", async () => {
    for (const padding of [{}, { pad_token_id: 0 }]) {
      const model = new Gpt2ForSequenceClassification(new Init(0.5), configOf({ ...tiny, ...padding }));
      const alone = await outputOf(model, "logits", [1, 2, 3]);
      expectNear(await outputOf(model, "logits", [1, 2, 3, 0, 0], [1, 1, 1, 0, 0]), alone);
      expect(Math.abs((await outputOf(model, "logits", [1, 2, 4]))[0]! - alone[0]!)).toBeGreaterThan(1e-3);
    }
  });

  test("labels every token", async () => {
    const labels = { id2label: { 0: "a", 1: "b", 2: "c" } };
    const model = new Gpt2ForTokenClassification(new Init(0.5), configOf({ ...tiny, ...labels }));
    expect(await outputOf(model, "logits", [1, 2])).toHaveLength(2 * 3);
  });

  test("refuses heads that do not divide the width, and cross-attention", () => {
    expect(() => new Gpt2LMHeadModel(new Init(), configOf({ ...tiny, n_head: 3 }))).toThrow(
      /n_embd 8 must be a multiple of n_head 3/,
    );
    expect(() => configOf({ add_cross_attention: true })).toThrow(/cross-attention is not supported/);
  });
});
