/**
 * A contrastive batch in chunks: its gradient against that of one graph at 64 pairs, and time and peak memory of 4,096
 * pairs, for a CLIP of the size of examples/emoji-clip.yaml.
 * Usage: node --import tsx bench/contrastive.ts [--pairs 4096 --micro-batch 64 --threads N]
 */

import { parseArgs } from "node:util";
import { architectureOf } from "../src/models/registry.ts";
import { Random } from "../src/tensor/random.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { type Batch, TrainStep } from "../src/train/step.ts";
import { markdownTable } from "./peer.ts";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "4096" },
    "micro-batch": { type: "string", default: "64" },
    threads: { type: "string" },
  },
});
const [vocabulary, length, side] = [2048, 24, 72];
const layers = { hidden_size: 128, intermediate_size: 512, num_attention_heads: 4 };
const config = {
  architectures: ["CLIPModel"],
  projection_dim: 128,
  text_config: { ...layers, num_hidden_layers: 2, vocab_size: vocabulary, max_position_embeddings: length },
  vision_config: { ...layers, num_hidden_layers: 4, image_size: side, patch_size: 12 },
};

function pairsOf(count: number): Batch {
  const random = new Random(1);
  const pixels = new Float32Array(count * 3 * side * side);
  for (let at = 0; at < pixels.length; at++) pixels[at] = 2 * random.uniform() - 1;
  const ids = new BigInt64Array(count * length);
  for (let at = 0; at < ids.length; at++)
    ids[at] = BigInt(at % length === length - 1 ? vocabulary - 1 : random.integer(vocabulary - 1));
  return {
    pixel_values: new Tensor("float32", [count, 3, side, side], pixels),
    input_ids: new Tensor("int64", [count, length], ids),
  };
}

interface Step {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly seconds: number;
}

/** One update with a learning rate of 0; its time includes making the graphs. */
async function stepOf(pairs: number, microBatch?: number): Promise<Step> {
  const threads = values.threads === undefined ? {} : { threads: Number(values.threads) };
  const options = { seed: 1, ...threads, ...(microBatch && { microBatch }) };
  const step = await TrainStep.open(architectureOf(config), config, options);
  const batch = pairsOf(pairs);
  const startMs = performance.now();
  const { loss } = await step.run([batch], 1, 0);
  const seconds = (performance.now() - startMs) / 1000;
  const names = [...step.state.spans.keys()];
  const gradients = names.map(
    (name) => [name, step.state.view(name, step.state.gradients).data as Float32Array] as const,
  );
  await step.release();
  return { loss, gradients: new Map(gradients), seconds };
}

/**
 * The largest difference, relative to the largest element of its tensor; but of biases of keys, whose gradient is 0 by
 * the softmax's shift, relative to the largest element of all.
 */
function difference(a: Step["gradients"], b: Step["gradients"]): number {
  const peaks = new Map([...a].map(([name, values]) => [name, peakOf(values)]));
  const overall = Math.max(...peaks.values());
  const each = [...a].map(([name, values]) => {
    const other = b.get(name)!;
    const peak = name.endsWith("k_proj.bias") ? overall : peaks.get(name)!;
    return peakOf(values.map((value, at) => value - other[at]!)) / peak;
  });
  return Math.max(...each);
}

const peakOf = (values: Float32Array): number =>
  values.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0);

const [whole, parts] = [await stepOf(64), await stepOf(64, 10)];
console.log(`64 pairs, in chunks of 10 against one graph: loss ${parts.loss} and ${whole.loss};`);
const most = difference(whole.gradients, parts.gradients);
console.log(`largest relative difference of a gradient ${most.toExponential(1)}\n`);

const [pairs, microBatch] = [Number(values.pairs), Number(values["micro-batch"])];
const { loss, seconds } = await stepOf(pairs, microBatch);
const peakGb = process.resourceUsage().maxRSS / 2 ** 20;
console.log(
  markdownTable(
    ["pairs", "micro-batch", "loss", "seconds", "peak memory of the process, GB"],
    [[`${pairs}`, `${microBatch}`, loss.toFixed(4), seconds.toFixed(1), peakGb.toFixed(2)]],
  ),
);
