import { describe, expect, test } from "vitest";
import { evaluate, graphOf } from "../../test/support/evaluate.ts";
import { input } from "../graph/node.ts";
import { Context } from "../nn/context.ts";
import { countParameters, Init, initialValue } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Bert, BertForPreTraining, BertModel, bertConfigSchema, bertConfigs } from "./bert.ts";
import { parseConfig } from "./config.ts";
import { architectureFor, architectureOf } from "./registry.ts";

const configOf = (json: Record<string, unknown>) => parseConfig(bertConfigSchema, json, "test");

/** Parameters of BertModel (encoder and pooler) of every named config. */
const counts: Record<keyof typeof bertConfigs, number> = {
  "bert-base-uncased": 109_482_240,
  "bert-base-cased": 108_310_272,
  "bert-base-chinese": 102_267_648,
  "bert-large-uncased": 335_141_888,
  "bert-mini": 11_170_560,
  "bert-tiny": 4_385_920,
};

describe("BERT", () => {
  test.each(Object.entries(bertConfigs))("%s has the published number of parameters", (name, json) => {
    const model = new BertModel(new Init(), configOf(json));
    expect(countParameters(model)).toBe(counts[name as keyof typeof bertConfigs]);
  });

  test("for pretraining shares the decoder with the word embeddings", () => {
    expect(countParameters(new BertForPreTraining(new Init(), configOf({})))).toBe(110_106_428);
  });

  test("a padded token changes nothing for the others", async () => {
    const config = configOf({
      hidden_size: 8,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      intermediate_size: 16,
      vocab_size: 20,
    });
    const bert = new Bert(new Init(0.5), config);
    const run = async (ids: number[], mask: number[]) => {
      const shape = [1, ids.length];
      const inputs = {
        input_ids: input("ids", "int64", shape),
        attention_mask: input("mask", "int64", shape),
      };
      const hidden = bert.forward(Context.inference(), inputs);
      const parameters = Object.fromEntries(
        [...graphOf([hidden]).parameters].map(([node, name]) => [name, initialValue(node, name, 1)]),
      );
      return evaluate([hidden], {
        ids: Tensor.from("int64", shape, ids),
        mask: Tensor.from("int64", shape, mask),
        ...parameters,
      });
    };
    const [short] = await run([1, 2, 3], [1, 1, 1]);
    const [long] = await run([1, 2, 3, 9], [1, 1, 1, 0]);
    short!.toNumbers().forEach((value, at) => {
      expect(long!.toNumbers()[at]).toBeCloseTo(value, 5);
    });
  });

  test("refuses a config with every fault named", () => {
    expect(() => configOf({ hidden_size: 0, hidden_act: "nope" })).toThrow(/hiddenSize: .*hiddenAct: /);
    expect(() => new BertModel(new Init(), configOf({ hidden_size: 10, num_attention_heads: 3 }))).toThrow(
      /hiddenSize 10 is not a multiple/,
    );
  });

  test("an architecture is found by class name or by family and task", () => {
    expect(architectureFor("bert", "fill-mask").name).toBe("BertForMaskedLM");
    expect(() => architectureFor("bert", "translation" as "fill-mask")).toThrow(/no architecture/);
    expect(() => architectureOf({ model_type: "mystery" })).toThrow(/model_type mystery is not supported/);
  });
});
