/**
 * Fused ops against their plain forms, and what they do to an encoder of BERT-base's size with random weights.
 * `node --import tsx bench/fused-ops.ts` prints Markdown tables of medians; runs alternate, threads do not spin.
 */

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import type { Graph } from "../src/graph/graph.ts";
import { input, inputName, type Node } from "../src/graph/node.ts";
import { encodeOnnx } from "../src/graph/onnx/encode.ts";
import { gelu, geluTanh, quickGelu } from "../src/graph/ops/activation.ts";
import { add } from "../src/graph/ops/core.ts";
import { fusions } from "../src/graph/ops/fusions.ts";
import { layerNorm, rmsNorm } from "../src/graph/ops/norm.ts";
import { optimise } from "../src/graph/passes/optimise.ts";
import { MultiHeadAttention } from "../src/nn/attention.ts";
import { Context } from "../src/nn/context.ts";
import { FeedForward } from "../src/nn/feed-forward.ts";
import { Init, parametersOf } from "../src/nn/module.ts";
import { LayerNorm } from "../src/nn/norm.ts";
import { symbol } from "../src/tensor/dims.ts";
import { Random } from "../src/tensor/random.ts";
import { sizeOf } from "../src/tensor/tensor.ts";

const THREADS = 2;
const HIDDEN = 768;
const [B, T] = [symbol("batch"), symbol("length")];

interface Variant {
  readonly name: string;
  readonly session: ort.InferenceSession;
}

const openSession = (model: Uint8Array | string): Promise<ort.InferenceSession> => {
  const options: ort.InferenceSession.SessionOptions = {
    graphOptimizationLevel: "all",
    intraOpNumThreads: THREADS,
    logSeverityLevel: 3,
    extra: {
      session: { intra_op: { allow_spinning: "0" } },
      // ONNX Runtime would make this fusion itself where it knows the shapes: both sides would be fused.
      optimization: { disable_specified_optimizers: "SkipLayerNormFusion" },
    },
  };
  return typeof model === "string"
    ? ort.InferenceSession.create(model, options)
    : ort.InferenceSession.create(model, options);
};

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;

/** Median milliseconds of each variant; the variants take turns. */
async function timeVariants(
  variants: readonly Variant[],
  feeds: ort.InferenceSession.FeedsType,
  turns: number,
): Promise<number[]> {
  const times: number[][] = variants.map(() => []);
  for (let turn = -1; turn < turns; turn++) {
    for (const [at, { session }] of variants.entries()) {
      const start = performance.now();
      await session.run(feeds);
      if (turn >= 0) times[at]!.push(performance.now() - start);
    }
  }
  return times.map(median);
}

function randomFeeds(graph: Graph, sizes: Readonly<Record<string, number>>): ort.InferenceSession.FeedsType {
  const random = new Random(1);
  return Object.fromEntries(
    graph.inputs.map((node) => {
      const bound = node.shape.map((dim) => (typeof dim === "number" ? dim : sizes[dim.text]!));
      const data = Float32Array.from({ length: sizeOf(bound) }, () => random.normal());
      return [inputName(node), new ort.Tensor("float32", data, bound)];
    }),
  );
}

const printTable = (header: readonly string[], rows: readonly (readonly string[])[]): void => {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  console.log([line(header), line(header.map(() => "---")), ...rows.map(line), ""].join("\n"));
};

const x = input("x", "float32", [B, T, HIDDEN]);
const skip = input("skip", "float32", [B, T, HIDDEN]);
const [scale, shift] = [input("scale", "float32", [HIDDEN]), input("shift", "float32", [HIDDEN])];

const plainForms: Record<string, Node> = {
  fusedGeluTanh: geluTanh(x),
  swish: quickGelu(x),
  biasGelu: gelu(add(x, shift)),
  fusedRmsNorm: rmsNorm(x, scale, 1e-6),
  skipLayerNorm: layerNorm(add(x, skip), scale, shift, 1e-12),
};

async function benchOps(): Promise<void> {
  const rows: string[][] = [];
  for (const [name, output] of Object.entries(plainForms)) {
    const plain: Graph = { inputs: [x, skip, scale, shift], parameters: new Map(), outputs: { y: output } };
    const graphs = { plain, fused: optimise(plain, { fuse: [name] }) };
    const variants = await openAll(graphs, (graph) => encodeOnnx(graph));
    const cells: string[] = [];
    for (const length of [16, 128, 1024]) {
      const [before, after] = await timeVariants(variants, randomFeeds(plain, { batch: 1, length }), 60);
      cells.push(`${(before! * 1000).toFixed(0)} → ${(after! * 1000).toFixed(0)}`);
    }
    rows.push([name, ...cells]);
    for (const { session } of variants) await session.release();
  }
  printTable(["op, µs plain → fused", "16 × 768", "128 × 768", "1024 × 768"], rows);
}

const openAll = (
  graphs: Readonly<Record<string, Graph>>,
  encode: (graph: Graph, name: string) => Uint8Array | string,
): Promise<Variant[]> =>
  Promise.all(
    Object.entries(graphs).map(async ([name, graph]) => ({
      name,
      session: await openSession(encode(graph, name)),
    })),
  );

/** An encoder block of BERT-base: post-norm attention and feed-forward. */
class Block {
  readonly attention: MultiHeadAttention;
  readonly attentionNorm: LayerNorm;
  readonly feedForward: FeedForward;
  readonly outputNorm: LayerNorm;

  constructor(init: Init) {
    this.attention = new MultiHeadAttention(init, HIDDEN, 12);
    this.attentionNorm = new LayerNorm(init, HIDDEN, 1e-12);
    this.feedForward = new FeedForward(init, HIDDEN, 4 * HIDDEN, "gelu");
    this.outputNorm = new LayerNorm(init, HIDDEN, 1e-12);
  }

  /** hidden [B, T, D], bias [B, 1, 1, T] → [B, T, D]. */
  forward(hidden: Node, bias: Node): Node {
    const attended = this.attention.forward(Context.inference(), hidden, { bias });
    const middle = this.attentionNorm.forward(add(attended, hidden));
    return this.outputNorm.forward(add(this.feedForward.forward(middle), middle));
  }
}

function encoderGraph(): Graph {
  const bias = input("bias", "float32", [B, 1, 1, T]);
  const blocks = Array.from({ length: 12 }, () => new Block(new Init()));
  const output = blocks.reduce((hidden, block) => block.forward(hidden, bias), x);
  return { inputs: [x, bias], parameters: parametersOf(blocks), outputs: { y: output } };
}

/** Random weights of all parameters in one file; returns each one's byte offset. */
function writeWeights(path: string, graph: Graph): Map<string, number> {
  const random = new Random(2);
  const noise = Float32Array.from({ length: 1 << 20 }, () => 0.02 * random.normal());
  const offsets = new Map<string, number>();
  const file = openSync(path, "w");
  let offset = 0;
  for (const [{ shape }, name] of graph.parameters) {
    offsets.set(name, offset);
    for (let left = sizeOf(shape as number[]); left > 0; left -= noise.length) {
      offset += writeSync(file, noise.subarray(0, Math.min(left, noise.length)));
    }
  }
  closeSync(file);
  return offsets;
}

async function benchEncoder(folder: string): Promise<void> {
  const plain = optimise(encoderGraph());
  const offsets = writeWeights(join(folder, "weights.bin"), plain);
  const shapes = new Map([...plain.parameters].map(([{ shape }, name]) => [name, shape as number[]]));
  const single = ["fusedAttention", "skipLayerNorm", "biasGelu"];
  const graphs: Record<string, Graph> = {
    plain,
    ...Object.fromEntries(single.map((name) => [name, optimise(plain, { fuse: [name] })])),
    "all for CPU": optimise(plain, { fuse: fusions.cpu }),
    "all for GPU": optimise(plain, { fuse: fusions.gpu }),
  };
  const variants = await openAll(graphs, (graph, name) => {
    const weights = (parameter: string) => {
      const shape = shapes.get(parameter)!;
      const place = { file: "weights.bin", offset: offsets.get(parameter)!, sizeBytes: 4 * sizeOf(shape) };
      return { ...place, dtype: "float32" as const, shape };
    };
    const path = join(folder, `${name}.onnx`);
    writeFileSync(path, encodeOnnx(graph, { weights }));
    return path;
  });
  const columns: string[][] = [];
  for (const [batch, length, turns] of [
    [1, 16, 40],
    [1, 128, 15],
    [8, 128, 5],
  ] as const) {
    const times = await timeVariants(variants, randomFeeds(plain, { batch, length }), turns);
    columns.push(times.map((time) => `${time.toFixed(1)} (${(time / times[0]!).toFixed(2)})`));
  }
  const rows = variants.map(({ name }, at) => [name, ...columns.map((column) => column[at]!)]);
  printTable(["encoder, ms (over plain)", "1 × 16", "1 × 128", "8 × 128"], rows);
}

console.log(`onnxruntime-node, ${THREADS} threads\n`);
await benchOps();
const folder = mkdtempSync(join(tmpdir(), "fused-ops-"));
try {
  await benchEncoder(folder);
} finally {
  rmSync(folder, { recursive: true });
}
