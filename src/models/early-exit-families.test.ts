import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyVit } from "../../test/support/tiny-images.ts";
import { tinyConfig, tinyVocab, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { openHere } from "../runtime/open-here.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ConfigJson } from "./config.ts";
import { exitRuleOf } from "./early-exit.ts";
import { encodeModel, encodeStages } from "./open.ts";
import { architectureOf } from "./registry.ts";

const folder = useTemporaryFolder();
const numLayers = 4;
const numRows = 16;
const length = 9;
const labels = withLabels("a", "b", "c");
const random = new Random(5);

const ids = Array.from({ length: numRows * length }, () => random.integer(tinyVocab.length));
const lengths = Array.from({ length: numRows }, () => 2 + random.integer(length - 1));
const mask = lengths.flatMap((count) => Array.from({ length }, (_, at) => Number(at < count)));
const texts = {
  input_ids: Tensor.from("int64", [numRows, length], ids),
  attention_mask: Tensor.from("int64", [numRows, length], mask),
};
const values = Array.from({ length: numRows * 3 * 16 * 16 }, () => random.normal());
const pictures = { pixel_values: Tensor.from("float32", [numRows, 3, 16, 16], values) };

const text = (modelType: string, name: string, sizes: ConfigJson): ConfigJson =>
  tinyConfig(name, { ...labels, model_type: modelType, num_hidden_layers: numLayers, ...sizes });
const picture = (modelType: string, name: string, extra: ConfigJson = {}): ConfigJson => ({
  ...tinyVit,
  ...labels,
  model_type: modelType,
  architectures: [name],
  num_hidden_layers: numLayers,
  initializer_range: 0.5,
  ...extra,
});

const distilBert = { n_layers: numLayers, dim: 32, n_heads: 2, hidden_dim: 64 };
const segments = { token_type_ids: Tensor.zeros("int64", [numRows, length]) };
const families: [name: string, config: ConfigJson, feeds: Record<string, Tensor>][] = [
  ["DistilBERT", text("distilbert", "DistilBertForSequenceClassificationWithPabee", distilBert), texts],
  [
    "RoFormer",
    text("roformer", "RoFormerForSequenceClassificationWithPabee", { embedding_size: 24 }),
    { ...texts, ...segments },
  ],
  ["ViT", picture("vit", "ViTForImageClassificationWithPabee"), pictures],
  [
    "ViT with mean pooling",
    picture("vit", "ViTForImageClassificationWithPabee", { pooling: "mean" }),
    pictures,
  ],
  ["DeiT", picture("deit", "DeiTForImageClassificationWithPabee"), pictures],
];

const rowOf = ({ data, shape }: Tensor, at: number): Float32Array =>
  (data as Float32Array).subarray(at * shape[1]!, (at + 1) * shape[1]!);

describe.each(families)("early exit of %s", (name, config, feeds) => {
  test("answers each row as the whole model's classifier of the layer at which it leaves", async () => {
    const path = await writeTinyModel(join(folder, name.replaceAll(" ", "-")), config, 11);
    const names = Array.from({ length: numLayers }, (_, at) => `layer_logits.${at}`);
    const whole = await openHere(await encodeModel(path, { capture: names }), { threads: 1 });
    const layers = await whole.run(feeds, names);
    await whole.release();
    const exits = new Set<number>();
    for (const patience of [1, 2, 3]) {
      const rule = exitRuleOf(architectureOf(config), config, patience)!;
      const session = await openHere(await encodeStages(path, rule), { threads: 1 });
      const { logits, exit_layer } = await session.run(feeds);
      await session.release();
      for (let row = 0; row < numRows; row++) {
        const exit = Number(exit_layer!.data[row]);
        exits.add(exit);
        expect(exit).toBeGreaterThan(patience);
        const expected = rowOf(layers[names[exit - 1]!]!, row);
        for (const [at, value] of rowOf(logits!, row).entries()) expect(value).toBeCloseTo(expected[at]!, 4);
      }
    }
    expect(exits.size).toBeGreaterThan(1);
  });
});

test("a picture classifier whose head is more than linear cannot exit early", () => {
  const config = picture("vit", "ViTForImageClassificationWithPabee", { pooling: "attention" });
  expect(() => architectureOf(config).build(config)).toThrow(/early exit: pooling must be "class" or "mean"/);
});
