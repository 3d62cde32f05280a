/**
 * INT8 against our float32 and against transformers.js's q8 of the same random weights, alternating in one run. The q8
 * is made the usual way: an exported graph as it is, products of integers from a dynamic range, a scale by column.
 * Usage: npm run build && node --import tsx bench/int8.ts [--runs 15]. Ratios are medians over rounds, in each of which
 * all programs run once, so that what else the machine does falls on all of them.
 */

import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { inferenceGraph, planOf, quantizableWeights } from "../src/compress/quantization-plan.ts";
import { writeVariantGraph, writeVariantWeights } from "../src/compress/variant-files.ts";
import { constant, isParameter } from "../src/graph/node.ts";
import { encodeOnnx } from "../src/graph/onnx/encode.ts";
import { quantize } from "../src/graph/passes/quantize.ts";
import { rebuild, rewrite } from "../src/graph/passes/rewrite.ts";
import { quantizationConfig } from "../src/models/quantization.ts";
import { architectureOf } from "../src/models/registry.ts";
import { storedNames, traceInference } from "../src/models/trace.ts";
import { initialValue } from "../src/nn/module.ts";
import { addVariant } from "../src/store/variants.ts";
import { bertTokenizerJson } from "../src/text/bert-vocab.ts";
import { Tokenizer } from "../src/text/tokenizer.ts";
import { readSafetensors, writeSafetensors } from "../src/weights/safetensors.ts";
import { markdownTable, median, milliseconds, Peer } from "./peer.ts";
import { bertBase } from "./write-bert.ts";

const { values } = parseArgs({ options: { runs: { type: "string", default: "15" } } });
const runs = Number(values.runs);
const scratch = await mkdtemp(join(tmpdir(), "tesserae-int8-"));
const worker = fileURLToPath(new URL("./int8-worker.mjs", import.meta.url));

const vitBase = { architectures: ["ViTForImageClassification"], model_type: "vit" };
const words = Array.from({ length: bertBase.vocab_size as number }, (_, at) => `word${at}`);
const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/** A model folder of random weights with its INT8 variant; returns both folders. */
async function writeModel(
  name: string,
  config: Record<string, unknown>,
): Promise<{ folder: string; int8: string }> {
  const folder = join(scratch, name);
  await mkdir(folder);
  const architecture = architectureOf(config);
  const names = storedNames(architecture, architecture.build(config));
  const tensors = [...names].map(([node, stored]) => [stored, initialValue(node, stored, 0)] as const);
  await writeSafetensors(join(folder, "model.safetensors"), tensors, { format: "pt" });
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  await writeFile(
    join(folder, "preprocessor_config.json"),
    '{ "image_processor_type": "ViTImageProcessor" }',
  );
  await new Tokenizer(bertTokenizerJson([...special, ...words.slice(5)].join("\n"), {}, "vocab.txt")).save(
    folder,
  );
  const plan = planOf(quantizableWeights(inferenceGraph(config, folder)), "dynamic", 8);
  const fill = async (target: string): Promise<void> => {
    await writeVariantWeights(target, { folder, config, plan });
    await writeVariantGraph(target, config, plan);
  };
  const info = { kind: "dynamic-int8", config: quantizationConfig(plan), tolerance: 0, metrics: {} };
  const { folder: int8 } = await addVariant(folder, "int8", fill, info);
  return { folder, int8 };
}

/** Writes `onnx/model_quantized.onnx` of BERT: the plain graph over the variant's integers, in ONNX's own operators. */
async function writeStandardQ8(folder: string, int8: string, config: Record<string, unknown>): Promise<void> {
  const architecture = architectureOf(config);
  const model = architecture.build(config);
  const specs = architecture.inputs(config).filter(({ isLabel }) => !isLabel);
  const graph = traceInference(model, storedNames(architecture, model), specs);
  const integers = quantize(graph, planOf(quantizableWeights(inferenceGraph(config, folder)), "dynamic", 8));
  const stored = await readSafetensors(join(int8, "model.safetensors"));
  const inlined = rewrite(integers, (old, inputs) => {
    const [node] = old.outputs;
    if (isParameter(node!)) return [constant(stored.get(integers.parameters.get(node!)!)!)];
    const call = rebuild(old, inputs);
    const standard = call.op.standard?.(call);
    return standard ? call.outputs.with(0, standard) : call.outputs;
  });
  await mkdir(join(folder, "onnx"));
  await writeFile(
    join(folder, "onnx", "model_quantized.onnx"),
    encodeOnnx({ ...inlined, parameters: new Map() }),
  );
}

interface Times {
  readonly wall: number;
  readonly cpu: number;
}

/** A round of all programs, after a rest in which threads that still spin come to rest. */
async function round(peers: readonly Peer[]): Promise<Times[]> {
  const times: Times[] = [];
  for (const peer of peers) {
    await setTimeout(150);
    const { seconds, cpuSeconds } = await peer.work();
    times.push({ wall: seconds, cpu: cpuSeconds! });
  }
  return times;
}

/** Rows of a table: times of INT8 and of each other program, and how many times as long that takes. */
async function measure(
  title: string,
  int8: string,
  others: readonly (readonly [name: string, library: string, folder: string])[],
  work: object,
): Promise<string[][]> {
  const start = async (library: string, folder: string): Promise<Peer> => {
    const peer = await Peer.start(process.execPath, [worker, library, folder, JSON.stringify(work)]);
    if (!peer) throw new Error(`${library} did not start`);
    return peer;
  };
  const peers = [await start("tesserae", int8)];
  for (const [, library, folder] of others) peers.push(await start(library, folder));
  const rounds: Times[][] = [];
  for (let run = -2; run < runs; run++) {
    const times = await round(peers);
    if (run >= 0) rounds.push(times);
  }
  for (const peer of peers) peer.stop();
  const over = (value: (times: readonly Times[]) => number): number => median(rounds.map(value));
  return others.map(([name], at) => [
    title,
    name,
    milliseconds(over(([own]) => own!.wall)),
    milliseconds(over((times) => times[at + 1]!.wall)),
    `${over((times) => times[at + 1]!.wall / times[0]!.wall).toFixed(2)} ×`,
    `${over((times) => times[at + 1]!.cpu / times[0]!.cpu).toFixed(2)} ×`,
  ]);
}

try {
  const bert = await writeModel("bert-base", bertBase);
  await writeStandardQ8(bert.folder, bert.int8, bertBase);
  const vit = await writeModel("vit-base", vitBase);
  const bytes = async (folder: string): Promise<number> =>
    (await stat(join(folder, "model.safetensors"))).size;
  console.log(`size: ${((await bytes(bert.folder)) / (await bytes(bert.int8))).toFixed(2)} × smaller`);
  const floats = (folder: string) => ["float32", "tesserae", folder] as const;
  const q8 = ["transformers.js q8", "transformers.js", bert.folder] as const;
  const rows = [
    ...(await measure("BERT-base 8 × 128", bert.int8, [floats(bert.folder), q8], { batch: 8, length: 128 })),
    ...(await measure("BERT-base 1 × 25", bert.int8, [floats(bert.folder), q8], { batch: 1, length: 25 })),
    ...(await measure("ViT-B/16, batch 8", vit.int8, [floats(vit.folder)], { batch: 8, side: 224 })),
  ];
  const header = ["model", "against", "INT8", "other", "time ratio", "CPU time ratio"];
  console.log(markdownTable(header, rows));
} finally {
  await rm(scratch, { recursive: true, force: true });
}
process.exit(0);
