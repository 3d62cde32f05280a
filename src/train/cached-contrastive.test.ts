import { describe, expect, test } from "vitest";
import { scalar } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { architectureOf } from "../models/registry.ts";
import { declareInputs, gradientOutputs, storedNames, usedGraph } from "../models/trace.ts";
import { Context } from "../nn/context.ts";
import { initialValue } from "../nn/module.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { CachedContrastive, type Pairs } from "./cached-contrastive.ts";

const tower = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const tinyClip = {
  architectures: ["CLIPModel"],
  projection_dim: 8,
  text_config: { ...tower, vocab_size: 30, max_position_embeddings: 6, initializer_range: 0.2 },
  vision_config: { ...tower, image_size: 8, patch_size: 4 },
};
const architecture = architectureOf(tinyClip);
const model = architecture.build(tinyClip);
const names = storedNames(architecture, model);
const weights = new Map([...names].map(([node, name]) => [name, initialValue(node, name, 3)]));

function pairsOf(count: number): Pairs {
  const random = new Random(5);
  const pixels = Array.from({ length: count * 3 * 64 }, () => random.normal());
  const ids = Array.from({ length: count * 6 }, (_, at) =>
    at % 6 === 5 ? 29 : Math.floor(28 * random.uniform()),
  );
  return {
    pixel_values: Tensor.from("float32", [count, 3, 8, 8], pixels),
    input_ids: Tensor.from("int64", [count, 6], ids),
  };
}

/** All pairs in one graph. */
async function direct(pairs: Pairs): Promise<Record<string, Tensor>> {
  const specs = Object.entries(pairs).map(([name, { dtype, shape }]) => ({ name, dtype, axes: shape }));
  const inputs = declareInputs(specs);
  const { loss } = model.forward(Context.training(scalar(0, "uint32")), inputs);
  const outputs = { loss: loss!, ...gradientOutputs(loss!, names) };
  const graph = usedGraph(outputs, Object.values(inputs), names);
  const session = await OrtSession.open({ bytes: encodeOnnx(graph), name: "direct" });
  const feeds = session.inputs.map(({ name }) => [name, pairs[name] ?? weights.get(name)!]);
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return results;
}

describe("a contrastive batch in chunks", () => {
  test("has the loss and every gradient of the whole batch, the last chunk being smaller", async () => {
    const pairs = pairsOf(22);
    const { loss, ...expected } = await direct(pairs);
    const cached = new CachedContrastive(architecture, tinyClip, { chunkSize: 5 });
    const found = await cached.gradients(pairs, (name) => weights.get(name)!, 1);
    await cached.release();
    expect(found.loss).toBeCloseTo(Number(loss!.data[0]), 5);
    expect([...found.gradients.keys()].sort()).toEqual([...names.values()].sort());
    for (const [name, gradient] of found.gradients) {
      const reference = expected[`grad.${name}`]!.toNumbers();
      const peak = Math.max(0.01, ...reference.map(Math.abs));
      gradient.toNumbers().forEach((value, at) => {
        expect(Math.abs(value - reference[at]!), name).toBeLessThan(1e-5 * peak);
      });
    }
  });

  test("drops the same in both passes, so that a run repeats exactly", async () => {
    const config = {
      ...tinyClip,
      text_config: { ...tinyClip.text_config, attention_dropout: 0.5 },
    };
    const cached = new CachedContrastive(architecture, config, { chunkSize: 4 });
    const weight = (name: string): Tensor => weights.get(name)!;
    const losses: number[] = [];
    for (const key of [1, 1, 2]) losses.push((await cached.gradients(pairsOf(8), weight, key)).loss);
    await cached.release();
    expect(losses[0]).toBe(losses[1]);
    expect(losses[0]).not.toBe(losses[2]);
  });

  test("moves a temperature that is too high back to its bound", async () => {
    const cached = new CachedContrastive(architecture, tinyClip, { chunkSize: 8 });
    const hot = Tensor.from("float32", [], [5]);
    const weight = (name: string): Tensor => (name === "logit_scale" ? hot : weights.get(name)!);
    const { moved } = await cached.gradients(pairsOf(4), weight, 1);
    await cached.release();
    expect(moved.get("logit_scale")!.toNumbers()[0]).toBeCloseTo(Math.log(100), 5);
  });

  test("is refused for a model that learns otherwise", () => {
    const bert = { architectures: ["BertModel"], hidden_size: 8, num_attention_heads: 1 };
    expect(() => new CachedContrastive(architectureOf(bert), bert, { chunkSize: 8 })).toThrow(/BertModel/);
  });
});
