import { describe, expect, test } from "vitest";
import { evaluate, graphOf } from "../../test/support/evaluate.ts";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { writeTinyModel } from "../../test/support/tiny-model.ts";
import { tinyMarian, tinyT5, tinyTranslator } from "../../test/support/tiny-translator.ts";
import { LocalGenerator } from "../generation/generator.ts";
import type { Generated } from "../generation/search.ts";
import { scalar } from "../graph/node.ts";
import { Context } from "../nn/context.ts";
import { countParameters, initialValue } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ConfigJson } from "./config.ts";
import { marianConfigs } from "./marian.ts";
import { architectureOf } from "./registry.ts";
import { t5Configs } from "./t5.ts";
import { declareInputs, storedNames } from "./trace.ts";
import { transformerConfigs } from "./transformer.ts";
import { positionParts } from "./transformer-positions.ts";

const folder = useTemporaryFolder();

const ids = (rows: readonly (readonly number[])[]): Tensor =>
  Tensor.from("int64", [rows.length, rows[0]!.length], rows.flat());

/** Outputs of a model with the weights that `writeTinyModel` writes. */
async function runModel(json: ConfigJson, feeds: Record<string, Tensor>, context = Context.inference()) {
  const architecture = architectureOf(json);
  const model = architecture.build(json);
  const specs = Object.entries(feeds).map(([name, { dtype, shape }]) => ({ name, dtype, axes: shape }));
  const outputs = model.forward(context, declareInputs(specs));
  const names = storedNames(architecture, model);
  const { parameters } = graphOf(Object.values(outputs));
  const weights = [...parameters].map(
    ([node, name]) => [name, initialValue(node, names.get(node)!, 7)] as const,
  );
  const values = await evaluate(Object.values(outputs), { ...feeds, ...Object.fromEntries(weights) });
  return Object.fromEntries(Object.keys(outputs).map((name, at) => [name, values[at]!]));
}

const countOf = (architecture: string, json: ConfigJson): number =>
  countParameters(architectureOf({ architectures: [architecture] }).build(json));

describe("named sizes have the published number of parameters:", () => {
  const counts: Record<string, Record<string, number>> = {
    TesseraeTransformerForConditionalGeneration: {
      "transformer-base": 63_084_544,
      "transformer-big": 214_249_472,
    },
    MarianMTModel: { "opus-mt-de-en": 73_886_208 },
    T5ForConditionalGeneration: {
      "t5-small": 60_506_624,
      "t5-base": 222_903_552,
      "t5-large": 737_668_096,
      "t5-v1_1-small": 76_961_152,
      "t5-v1_1-base": 247_577_856,
    },
  };
  const sizes = { ...transformerConfigs, ...marianConfigs, ...t5Configs };
  const named = Object.entries(counts).flatMap(([architecture, byName]) =>
    Object.entries(byName).map(([name, count]) => [name, architecture, count] as const),
  );

  test.each(named)("%s", (name, architecture, count) => {
    expect(countOf(architecture, sizes[name as keyof typeof sizes])).toBe(count);
  });

  test("every size is counted", () => {
    expect(named.map(([name]) => name).sort()).toEqual(Object.keys(sizes).sort());
  });
});

const models: [string, ConfigJson][] = [
  ...Object.keys(positionParts).map((positions): [string, ConfigJson] => [
    `Transformer with ${positions} positions`,
    tinyTranslator({ positions }),
  ]),
  ["pre-norm Transformer", tinyTranslator({ norm_first: true })],
  ["Transformer without ties", tinyTranslator({ share_embeddings: false, tie_word_embeddings: false })],
  ["Marian", tinyMarian()],
  ["Marian with scaled embeddings of its own for each side", separateMarian()],
  ["T5", tinyT5()],
  ["gated T5 without ties", tinyT5({ feed_forward_proj: "gated-gelu", tie_word_embeddings: false })],
];

function separateMarian(): ConfigJson {
  const own = { share_encoder_decoder_embeddings: false, decoder_vocab_size: 60 };
  return tinyMarian({ ...own, scale_embedding: true });
}

const source = [9, 14, 33, 21, 3];
const target = [12, 40, 8, 19, 27, 3];

describe.each(models)("%s", (name, json) => {
  test("gives a padded pair the scores it has alone", async () => {
    const alone = await runModel(json, {
      input_ids: ids([source]),
      attention_mask: ids([source.map(() => 1)]),
      labels: ids([target]),
    });
    const padded = await runModel(json, {
      input_ids: ids([
        [...source, 0, 0],
        [8, 9, 10, 11, 12, 13, 3],
      ]),
      attention_mask: ids([
        [...source.map(() => 1), 0, 0],
        [1, 1, 1, 1, 1, 1, 1],
      ]),
      labels: ids([
        [...target, -100],
        [8, 9, 10, 11, 12, 13, 3],
      ]),
    });
    const size = alone.logits!.size;
    const [expected, actual] = [alone, padded].map(({ logits }) => logits!.toNumbers().slice(0, size));
    for (const [at, value] of expected!.entries()) expect(actual![at]).toBeCloseTo(value, 3);
  });

  test("decodes token by token with the probabilities of the whole pass", async () => {
    const path = await writeTinyModel(`${folder}/${name.replaceAll(" ", "-")}`, json);
    const generator = await LocalGenerator.open(path);
    const input = { input_ids: Tensor.from("int64", [source.length], source) };
    // Different tokens, whose log-probabilities add up to the score.
    const settings = { num_beams: 3, no_repeat_ngram_size: 1, max_new_tokens: 8, length_penalty: 0 };
    const [[answer]] = (await generator.generate([{ source: input }], settings)) as [[Generated]];
    await generator.release();
    const { logits } = await runModel(json, {
      input_ids: ids([source]),
      decoder_input_ids: ids([[0, ...answer.ids.slice(0, -1)]]),
    });
    const never = json.model_type === "marian" ? 0 : undefined; // Marian never gives the padding
    const logs = logProbabilities(logits!, never);
    const total = answer.ids.reduce((sum, id, at) => sum + logs[at]![id]!, 0);
    expect(answer.ids.length).toBeGreaterThan(2);
    expect(answer.score).toBeCloseTo(total, 2);
  });
});

describe("training", () => {
  const batch = { input_ids: ids([source]), labels: ids([target]) };
  const noDropout = { dropout: 0 };
  const lossOf = async (json: ConfigJson, context: Context): Promise<number> =>
    Number((await runModel(json, batch, context)).loss!.data[0]);

  test("smooths labels; evaluation does not", async () => {
    const json = tinyTranslator({ ...noDropout, label_smoothing: 0.2 });
    const evaluation = await lossOf(json, Context.inference());
    expect(await lossOf({ ...json, label_smoothing: 0 }, Context.training(scalar(1, "uint32")))).toBeCloseTo(
      evaluation,
      5,
    );
    const { logits } = await runModel(json, batch);
    const smoothed = await lossOf(json, Context.training(scalar(1, "uint32")));
    expect(smoothed).toBeCloseTo(0.8 * evaluation + 0.2 * -mean(logProbabilities(logits!).flat()), 4);
  });

  test("drops no whole layers", () => {
    const json = tinyMarian({ encoder_layerdrop: 0.1 });
    const model = architectureOf(json).build(json);
    const inputs = declareInputs(
      Object.entries(batch).map(([name, { dtype, shape }]) => ({ name, dtype, axes: shape })),
    );
    expect(() => model.forward(Context.training(scalar(1, "uint32")), inputs)).toThrow(
      /set encoder_layerdrop/,
    );
    expect(() => model.forward(Context.inference(), inputs)).not.toThrow();
  });
});

/** log softmax of each row, without a word that never comes. */
function logProbabilities(logits: Tensor, never?: number): number[][] {
  const width = logits.shape.at(-1)!;
  const values = logits.toNumbers();
  return Array.from({ length: values.length / width }, (_, at) => {
    const row = values.slice(at * width, (at + 1) * width);
    const exponentials = row.map((value, word) => (word === never ? 0 : Math.exp(value)));
    const logSum = Math.log(exponentials.reduce((sum, value) => sum + value, 0));
    return row.map((value) => value - logSum);
  });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe("configurations are refused:", () => {
  test.each([
    ["Marian's other norms", tinyMarian({ normalize_before: true }), /normalize_before is not supported/],
    ["an unknown activation of T5", tinyT5({ feed_forward_proj: "gated-cube" }), /gated-cube/],
    ["unknown positions", tinyTranslator({ positions: "absolute" }), /positions: /],
    [
      "heads that do not divide the width",
      tinyTranslator({ num_attention_heads: 3 }),
      /multiple of numHeads/,
    ],
  ])("%s", (_name, json, message) => {
    expect(() => architectureOf(json).build(json)).toThrow(message);
  });
});
