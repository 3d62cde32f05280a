import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import type { ConfigJson } from "../models/config.ts";
import { type Explanation, explain } from "./explain.ts";
import type { ExplainInput } from "./tokens.ts";

const folder = useTemporaryFolder();
const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** Integrated gradients add up to what the score rises by from the baseline. */
function expectComplete({ attribution }: Explanation): void {
  const { integratedGradients, score, baselineScore } = attribution!;
  const rise = score - baselineScore;
  expect(Math.abs(rise)).toBeGreaterThan(1e-4);
  expect(Math.abs(total(integratedGradients) - rise)).toBeLessThan(0.01 * Math.abs(rise) + 1e-4);
}

describe("explaining the bundled sentiment model", () => {
  const text = "a wonderfully funny , unflinching film that never gets boring";
  let explanation: Explanation;
  beforeAll(async () => {
    explanation = await explain("sst2", text);
  });

  test("names the prediction, and its tokens with their words and places", () => {
    const { attribution, tokens, task } = explanation;
    expect([task, attribution!.target.label]).toEqual(["text-classification", "positive"]);
    expect(tokens.filter(({ word }) => word === 5).map(({ token, text: part }) => [token, part])).toEqual([
      ["un", "un"],
      ["##fl", "fl"],
      ["##in", "in"],
      ["##ching", "ching"],
    ]);
    expect([tokens[0]!.isSpecial, tokens.at(-1)!.token]).toEqual([true, "[SEP]"]);
  });

  test("integrated gradients add up to the change of the score; one point of the path is not enough for that", async () => {
    expectComplete(explanation);
    expect(Math.abs(explanation.attribution!.completenessError)).toBeLessThan(1e-4);
    const coarse = await explain("sst2", text, { steps: 1 });
    expect(Math.abs(coarse.attribution!.completenessError)).toBeGreaterThan(0.01);
  });

  test("gives special tokens nothing, and a word of blame a negative part", () => {
    const { integratedGradients } = explanation.attribution!;
    expect([integratedGradients[0], integratedGradients.at(-1)]).toEqual([0, 0]);
    const boring = explanation.tokens.findIndex(({ text: word }) => word === "boring");
    expect(integratedGradients[boring]).toBeLessThan(-0.3);
  });

  test("finds that the score is read at the first token, and rolls attention out from there", () => {
    const { reading, rollout } = explanation.attribution!;
    expect(reading[0]).toBeCloseTo(1, 5);
    const [length] = explanation.rollout.shape as [number];
    expect(rollout).toEqual(
      explanation.rollout
        .toNumbers()
        .slice(0, length)
        .map((value) => expect.closeTo(value, 5)),
    );
    expect(total(rollout)).toBeCloseTo(1, 4);
  });

  test("has a map for every layer, whose rows add up to 1", () => {
    expect(explanation.attention.map(({ stack, layer }) => [stack, layer])).toEqual([
      ["", 0],
      ["", 1],
    ]);
    for (const { probabilities } of explanation.attention) {
      expect(probabilities.shape).toEqual([4, explanation.tokens.length, explanation.tokens.length]);
      expect(total(probabilities.toNumbers())).toBeCloseTo(4 * explanation.tokens.length, 3);
    }
  });

  test("explains another label on request, and names the labels there are", async () => {
    const { attribution } = await explain("sst2", text, { target: "negative" });
    expect(attribution!.target.probability).toBeLessThan(0.5);
    await expect(explain("sst2", text, { target: "neutral" })).rejects.toThrow(
      /one of negative, positive; got "neutral"/,
    );
  });

  test("reads at most the tokens asked for, and says how many it left out", async () => {
    const { tokens, leftOut } = await explain("sst2", text, { maxLength: 6 });
    expect([tokens.length, leftOut]).toEqual([6, explanation.tokens.length - 6]);
  });

  test.each<[string, ExplainInput, object, RegExp]>([
    ["an empty text", "", {}, /at least one token/],
    ["something else", 5 as never, {}, /expected a text/],
    ["a position beyond the text", text, { at: 99 }, /one of 0 to/],
    ["no steps", text, { steps: 0 }, /steps must be a whole number/],
  ])("refuses %s", async (_, input, options, message) => {
    await expect(explain("sst2", input, options)).rejects.toThrow(message);
  });
});

const sizes = { vocab_size: tinyConfig("").vocab_size, initializer_range: 0.3, pad_token_id: 0 };
const distilBert: ConfigJson = {
  ...sizes,
  ...withLabels("bad", "good"),
  architectures: ["DistilBertForSequenceClassification"],
  model_type: "distilbert",
  dim: 32,
  hidden_dim: 64,
  n_layers: 2,
  n_heads: 2,
  max_position_embeddings: 64,
};
const roFormer: ConfigJson = {
  ...tinyConfig("RoFormerForMaskedLM"),
  model_type: "roformer",
};
const xlnet: ConfigJson = {
  ...sizes,
  architectures: ["XLNetForQuestionAnswering"],
  model_type: "xlnet",
  d_model: 32,
  d_inner: 64,
  d_head: 16,
  n_layer: 2,
  n_head: 2,
  start_n_top: 2,
  end_n_top: 2,
};
const gpt2: ConfigJson = {
  ...sizes,
  architectures: ["GPT2LMHeadModel"],
  model_type: "gpt2",
  n_embd: 32,
  n_layer: 2,
  n_head: 2,
  n_positions: 64,
};
const transformer: ConfigJson = {
  ...sizes,
  initializer_range: 0.1,
  architectures: ["TesseraeTransformerForConditionalGeneration"],
  model_type: "tesserae-transformer",
  hidden_size: 32,
  intermediate_size: 64,
  encoder_layers: 2,
  decoder_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 64,
  decoder_start_token_id: 2,
  eos_token_id: 3,
};

describe("explaining every kind of head", () => {
  test.each<[string, ConfigJson, ExplainInput, object, string]>([
    [
      "a label of a token",
      tinyConfig("BertForTokenClassification", withLabels("O", "PER")),
      "mary lives in paris",
      { target: "PER", at: 1 },
      "PER (mary)",
    ],
    [
      "an answer",
      tinyConfig("BertForQuestionAnswering"),
      { question: "who ran?", context: "mary smith ran ." },
      { target: "mary smith" },
      "mary smith",
    ],
    ["a filled mask", tinyConfig("BertForMaskedLM"), "the [MASK] is good", { target: "film" }, "film"],
    [
      "a masked model as it was pretrained",
      tinyConfig("BertForPreTraining"),
      "the [MASK] is good",
      { target: "film" },
      "film",
    ],
    [
      "a pair",
      tinyConfig("BertForSequenceClassification", withLabels("no", "yes")),
      { text: "a film", text_pair: "it was good" },
      { target: "yes" },
      "yes",
    ],
    ["another family", distilBert, "a good film", { target: "good" }, "good"],
    ["rotary positions", roFormer, "the [MASK] is good", { target: "film" }, "film"],
    ["the next token", gpt2, "a good film", { target: "and" }, "and"],
    ["a token of an output", transformer, { text: "a good film", text_pair: "one book" }, { at: 1 }, "one"],
  ])("%s", async (name, config, input, options, label) => {
    const model = await writeTinyModel(join(folder, name), config);
    const explanation = await explain(model, input, { ...options, steps: 64 });
    expect(explanation.attribution!.target.label).toBe(label);
    expectComplete(explanation);
  });

  test("predictions are the default: the surest label other than O, the best answer, the likeliest filling", async () => {
    const defaults: [string, ConfigJson, ExplainInput][] = [
      ["tags", tinyConfig("BertForTokenClassification", withLabels("O", "PER")), "mary lives in paris"],
      [
        "answers",
        tinyConfig("BertForQuestionAnswering"),
        { question: "who ran?", context: "mary smith ran ." },
      ],
      ["masks", tinyConfig("BertForMaskedLM"), "the [MASK] is good"],
    ];
    for (const [name, config, input] of defaults) {
      const { attribution, tokens } = await explain(await writeTinyModel(join(folder, name), config), input, {
        steps: 2,
      });
      const { positions, probability } = attribution!.target;
      expect(probability).toBeGreaterThan(0);
      if (name === "masks") expect(tokens[positions[0]!]!.token).toBe("[MASK]");
      expect(positions.every((at) => !tokens[at]!.isSpecial)).toBe(true);
    }
  });

  test("an encoder–decoder has maps of three kinds, between what it reads and what it wrote", async () => {
    const model = await writeTinyModel(join(folder, "translation"), transformer);
    const { attention, tokens, outputTokens, attribution } = await explain(model, {
      text: "a good film",
      text_pair: "one book",
    });
    expect(attention.map(({ stack, layer, probabilities: { shape } }) => [stack, layer, ...shape])).toEqual([
      ["cross", 0, 2, outputTokens!.length, tokens.length],
      ["decoder", 0, 2, outputTokens!.length, outputTokens!.length],
      ["encoder", 0, 2, tokens.length, tokens.length],
      ["encoder", 1, 2, tokens.length, tokens.length],
    ]);
    expect(outputTokens!.map(({ token }) => token)).toEqual(["[CLS]", "[CLS]", "one", "book"]);
    expect(attribution!.reading).toHaveLength(tokens.length);
    await expect(explain(model, "a good film")).rejects.toThrow(/give both, as a pair/);
  });

  test("a model without scores shows its attention alone", async () => {
    const model = await writeTinyModel(join(folder, "bare"), tinyConfig("BertModel"));
    const { attribution, attention } = await explain(model, "a good film");
    expect([attribution, attention.length]).toEqual([undefined, 2]);
    await expect(explain(model, "a good film", { target: "good" })).rejects.toThrow(/scores no targets/);
  });

  test("a model that searches for spans itself shows its attention alone; one of choices is refused", async () => {
    const searching = await writeTinyModel(join(folder, "searching"), xlnet);
    const { attribution, attention } = await explain(searching, {
      question: "who ran?",
      context: "mary ran",
    });
    expect([attribution, attention.length]).toEqual([undefined, 2]);
    const choices = await writeTinyModel(join(folder, "choices"), tinyConfig("BertForMultipleChoice"));
    await expect(explain(choices, "a film")).rejects.toThrow(/does not read one text/);
  });

  test("a mask is asked for where a text has none, and a context where a question has none", async () => {
    const masks = await writeTinyModel(join(folder, "no mask"), tinyConfig("BertForMaskedLM"));
    await expect(explain(masks, "a good film")).rejects.toThrow(/must hold \[MASK\]/);
    const answers = await writeTinyModel(join(folder, "no context"), tinyConfig("BertForQuestionAnswering"));
    await expect(explain(answers, "who ran?")).rejects.toThrow(/needs the context/);
    const pair = { question: "who ran?", context: "mary ran" };
    await expect(explain(answers, pair, { target: "john" })).rejects.toThrow(/part of the context/);
  });
});
