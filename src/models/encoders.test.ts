import { describe, expect, test } from "vitest";
import { runModel, type Tensors } from "../../test/support/run-model.ts";
import { tinyEncoderConfig, tinyEncoders } from "../../test/support/tiny-encoders.ts";
import { tinyConfig } from "../../test/support/tiny-model.ts";
import { countParameters } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ConfigJson } from "./config.ts";
import { distilBertConfigs } from "./distilbert.ts";
import type { TaskName } from "./model.ts";
import { architectureFor, architectureOf } from "./registry.ts";
import { roFormerConfigs } from "./roformer.ts";
import { xlnetConfigs } from "./xlnet.ts";

const countOf = (architecture: string, json: ConfigJson): number =>
  countParameters(architectureOf({ architectures: [architecture] }).build(json));

describe("parameters", () => {
  /** Of the bare encoders. DistilBERT base and XLNet base are the reference's numbers, the others follow from sizes. */
  const counts: Record<string, number> = {
    "distilbert-base-uncased": 66_362_880,
    "distilbert-base-cased": 65_190_912,
    "distilbert-base-multilingual-cased": 134_734_080,
    "roformer-chinese-base": 123_457_536,
    "roformer-chinese-small": 29_848_320,
    "roformer-chinese-char-base": 94_273_536,
    "roformer-mini": 10_973_696,
    "xlnet-base-cased": 116_718_336,
    "xlnet-large-cased": 360_268_800,
  };
  const sizesOf = (architecture: string, configs: Readonly<Record<string, ConfigJson>>) =>
    Object.entries(configs).map(([name, json]) => ({ name, architecture, json }));

  test.each([
    ...sizesOf("DistilBertModel", distilBertConfigs),
    ...sizesOf("RoFormerModel", roFormerConfigs),
    ...sizesOf("XLNetModel", xlnetConfigs),
  ])("$name has its exact number", ({ name, architecture, json }) => {
    expect(countOf(architecture, json)).toBe(counts[name]);
  });

  test("of a vocabulary head are tied to the word embeddings", () => {
    expect(countOf("DistilBertForMaskedLM", {})).toBe(66_985_530);
    expect(countOf("XLNetLMHeadModel", xlnetConfigs["xlnet-base-cased"])).toBe(116_750_336);
  });
});

/** Ids, mask and segments of texts, padded to one length on one side. */
function batchOf(texts: readonly (readonly number[])[], length: number, side: "left" | "right"): Tensors {
  const placed = (values: (text: readonly number[]) => readonly number[], padding: number): Tensor => {
    const rows = texts.map((text) => {
      const rest = Array<number>(length - text.length).fill(padding);
      return side === "left" ? [...rest, ...values(text)] : [...values(text), ...rest];
    });
    return Tensor.from("int64", [texts.length, length], rows.flat());
  };
  return {
    input_ids: placed((text) => text, 0),
    attention_mask: placed((text) => text.map(() => 1), 0),
    token_type_ids: placed((text) => text.map((_, at) => (at < 3 ? 0 : 1)), 0),
  };
}

const texts = [
  [7, 20, 31, 9, 40],
  [7, 12, 33, 41, 18, 22, 50, 9],
] as const;

const rowsOf = ({ shape, data }: Tensor, row: number): number[] => {
  const size = data.length / shape[0]!;
  return Array.from(data.subarray(row * size, (row + 1) * size) as Float32Array);
};

/** The last output: scores of texts, of tokens or of the vocabulary. */
const scoresOf = (outputs: Tensors): Tensor =>
  (outputs.logits ?? outputs.start_logits ?? outputs.last_hidden_state)!;

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [at, value] of expected.entries()) expect(actual[at]).toBeCloseTo(value, 4);
}

const heads: TaskName[] = [
  "feature-extraction",
  "fill-mask",
  "text-classification",
  "token-classification",
  "question-answering",
];
const relative = (type: string): [string, ConfigJson] => [
  `bert with ${type}`,
  tinyConfig("BertForTokenClassification", { position_embedding_type: type }),
];
const cases: [string, ConfigJson][] = [
  ...tinyEncoders.flatMap((family) =>
    heads.map((head): [string, ConfigJson] => {
      const { name } = architectureFor(family, head);
      return [name, tinyEncoderConfig(family, name)];
    }),
  ),
  relative("relative_key"),
  relative("relative_key_query"),
];

describe.each(cases)("%s", (_name, json) => {
  test("answers a text in a padded batch as alone", async () => {
    const batch = scoresOf(await runModel(json, batchOf(texts, 10, "right"), { isSymbolic: true }));
    for (const [row, text] of texts.entries()) {
      const alone = scoresOf(await runModel(json, batchOf([text], text.length, "right")));
      const expected = rowsOf(alone, 0);
      expectClose(rowsOf(batch, row).slice(0, expected.length), expected);
    }
  });
});

describe("XLNet", () => {
  test("gives the same with padding at the left, as its tokenizer wants it", async () => {
    const json = tinyEncoderConfig("xlnet", "XLNetForSequenceClassification");
    const [left, right] = await Promise.all(
      (["left", "right"] as const).map(async (side) =>
        scoresOf(await runModel(json, batchOf(texts, 10, side))),
      ),
    );
    expectClose(rowsOf(left!, 0), rowsOf(right!, 0));
    expectClose(rowsOf(left!, 1), rowsOf(right!, 1));
  });
});

describe("multiple choice", () => {
  test.each(tinyEncoders)("scores the texts of a choice independently in %s", async (family) => {
    const { name } = architectureFor(family, "multiple-choice");
    const json = tinyEncoderConfig(family, name);
    const feeds = (length: number, some: readonly (readonly number[])[]): Tensors =>
      Object.fromEntries(
        Object.entries(batchOf(some, length, "right")).map(([key, tensor]) => [
          key,
          tensor.reshape([1, some.length, length]),
        ]),
      );
    const both = rowsOf(scoresOf(await runModel(json, feeds(9, texts))), 0);
    for (const [at, text] of texts.entries()) {
      const alone = rowsOf(scoresOf(await runModel(json, feeds(text.length, [text]))), 0);
      expectClose(alone, [both[at]!]);
    }
  });
});

describe("options", () => {
  const run = (family: string, architecture: string, extra: ConfigJson) =>
    runModel(tinyEncoderConfig(family, architecture, extra), batchOf([texts[1]], 8, "right"));
  const differs = (a: Tensors, b: Tensors): boolean =>
    rowsOf(scoresOf(a), 0).some((value, at) => Math.abs(value - rowsOf(scoresOf(b), 0)[at]!) > 1e-3);

  test("DistilBERT's sinusoids replace its trained positions", async () => {
    const trained = await run("distilbert", "DistilBertModel", {});
    const fixed = await run("distilbert", "DistilBertModel", { sinusoidal_pos_embds: true });
    expect(differs(trained, fixed)).toBe(true);
  });

  test("RoFormer's rotary_value turns values", async () => {
    const plain = await run("roformer", "RoFormerModel", {});
    const turned = await run("roformer", "RoFormerModel", { rotary_value: true });
    expect(differs(plain, turned)).toBe(true);
  });

  test("XLNet's summaries differ", async () => {
    const types = ["last", "first", "mean"];
    const results = await Promise.all(
      types.map((summary_type) => run("xlnet", "XLNetForSequenceClassification", { summary_type })),
    );
    expect(differs(results[0]!, results[1]!)).toBe(true);
    expect(differs(results[1]!, results[2]!)).toBe(true);
  });

  test("that are not supported are refused by name", () => {
    const build = (architecture: string, json: ConfigJson) => () =>
      architectureOf({ architectures: [architecture] }).build(json);
    expect(build("RoFormerModel", { is_decoder: true })).toThrow(/isDecoder: only encoders/);
    expect(build("XLNetModel", { summary_type: "attn" })).toThrow(/summaryType/);
    expect(build("XLNetModel", { d_model: 30, n_head: 4 })).toThrow(/dModel: must be a multiple of nHead/);
    expect(build("XLNetModel", { d_model: 32, n_head: 4, d_head: 16 })).toThrow(/dHead/);
    expect(build("DistilBertForMaskedLM", { tie_word_embeddings: false })).toThrow(/tied vocabulary/);
    expect(build("BertModel", { position_embedding_type: "rotary" })).toThrow(/positionEmbeddingType/);
  });
});
