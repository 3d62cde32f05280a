import { describe, expect, test } from "vitest";
import { quantizeWeight } from "../../compress/integers.ts";
import { OrtSession } from "../../runtime/ort-session.ts";
import { symbol } from "../../tensor/dims.ts";
import { Random } from "../../tensor/random.ts";
import { sizeOf, Tensor } from "../../tensor/tensor.ts";
import type { Graph } from "../graph.ts";
import { input, inputName, type Node, parameter, topologicalOrder } from "../node.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import { gelu } from "../ops/activation.ts";
import { conv } from "../ops/conv.ts";
import { add } from "../ops/core.ts";
import { fusions } from "../ops/fusions.ts";
import { gather } from "../ops/indexing.ts";
import { matmul } from "../ops/matmul.ts";
import { slice } from "../ops/shape.ts";
import { optimise } from "./optimise.ts";
import { type QuantizationPlan, quantizedNames, switchName, type WeightPlan } from "./quantize.ts";
import { weightUses } from "./weight-uses.ts";

const batch = symbol("batch");
const weight = (...shape: number[]): Node => parameter(shape, { kind: "normal", std: 1 });
const random = new Random(3);
const normal = (shape: readonly number[]): Tensor =>
  Tensor.from(
    "float32",
    shape,
    Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );

const x = input("x", "float32", [batch, 32]);
const [query, key, up, bias] = [weight(32, 32), weight(32, 32), weight(32, 64), weight(64)];
const linear: WeightPlan = { kind: "int8", axis: 0, isTransposed: true };
const columns: WeightPlan = { kind: "int8", axis: 1, isTransposed: false };

/** Two products of one input, the weights [out, in], and one with a bias and GELU, the weight [in, out]. */
const both = add(matmul(x, query, { transB: true }), matmul(x, key, { transB: true }));
const products: Graph = {
  inputs: [x],
  parameters: new Map([
    [query, "query"],
    [key, "key"],
    [up, "up"],
    [bias, "bias"],
  ]),
  outputs: { y: gelu(add(matmul(both, up), bias)) },
};
const productPlan: QuantizationPlan = { weights: { query: linear, key: linear, up: columns } };

const opsOf = (graph: Graph): string[] =>
  topologicalOrder(Object.values(graph.outputs)).map(({ op }) => op.name);
const countOf = (graph: Graph, op: string): number => opsOf(graph).filter((name) => name === op).length;

/** Outputs of the float graph and of one that is quantised, for random weights and the same feeds. */
async function compare(
  graph: Graph,
  plan: QuantizationPlan,
  feeds: Record<string, Tensor>,
  extra: { hasSwitches?: boolean; switches?: Record<string, Tensor> } = {},
): Promise<{ float: number[]; quantized: number[]; graph: Graph }> {
  const floats = new Map([...graph.parameters].map(([node, name]) => [name, normal(node.shape as number[])]));
  const stored = new Map(floats);
  for (const [name, own] of Object.entries(plan.weights)) {
    const { values, scale } = quantizeWeight(floats.get(name)!, own, plan.weightBits ?? 7);
    stored.set(quantizedNames(name).values, values).set(quantizedNames(name).scale, scale);
  }
  const run = async (one: Graph): Promise<number[]> => {
    const session = await OrtSession.open({ bytes: encodeOnnx(one) }, { threads: 1 });
    const all = { ...feeds, ...extra.switches, ...Object.fromEntries(stored) };
    const given = Object.fromEntries(session.inputs.map(({ name }) => [name, all[name]!]));
    const { y } = await session.run(given);
    await session.release();
    return y!.toNumbers();
  };
  const { hasSwitches = false } = extra;
  const quantized = optimise(graph, { fuse: fusions.cpu, quantize: plan, hasSwitches });
  return { float: await run(optimise(graph)), quantized: await run(quantized), graph: quantized };
}

/** Root mean square of the differences over that of what is expected. */
function relativeError(actual: readonly number[], expected: readonly number[]): number {
  const square = (values: readonly number[]): number => values.reduce((sum, value) => sum + value ** 2, 0);
  return Math.sqrt(square(actual.map((value, at) => value - expected[at]!)) / square(expected));
}

const feeds = { x: normal([5, 32]) };

describe("quantize", () => {
  test("computes products of integers close to the floats, whose input is quantised once and whose bias joins", async () => {
    const { float, quantized, graph } = await compare(products, productPlan, feeds);
    expect(relativeError(quantized, float)).toBeLessThan(0.03);
    expect(relativeError(quantized, float)).toBeGreaterThan(1e-4); // they are not the floats
    expect(countOf(graph, "integerMatmul")).toBe(3);
    expect(countOf(graph, "dynamicQuantize")).toBe(2);
    expect(opsOf(graph)).not.toContain("matmul");
    expect(opsOf(graph).filter((name) => name === "add")).toHaveLength(1);
    expect([...graph.parameters.values()].sort()).toEqual(
      ["bias", ...["key", "query", "up"].flatMap((name) => Object.values(quantizedNames(name)))].sort(),
    );
  });

  test("with 8 bits of weights is closer than with 7", async () => {
    const seven = await compare(products, productPlan, feeds);
    const eight = await compare(products, { ...productPlan, weightBits: 8 }, feeds);
    expect(relativeError(eight.quantized, eight.float)).toBeLessThan(
      relativeError(seven.quantized, seven.float),
    );
  });

  test("with fixed ranges gives the same in the fused and in the QDQ form", async () => {
    const range = { scale: 8 / 255, zeroPoint: 128 };
    const wide = { scale: 160 / 255, zeroPoint: 128 };
    const weights = {
      query: { ...linear, input: range },
      key: { ...linear, input: range },
      up: { ...columns, input: wide },
    };
    const fused = optimise(products, { quantize: { weights } });
    expect(countOf(fused, "quantizeLinear")).toBe(2);
    const qdq = optimise(products, { quantize: { weights, form: "qdq" } });
    expect(opsOf(qdq)).toContain("dequantizeLinear");
    expect(opsOf(qdq)).not.toContain("integerMatmul");
    const floats = [
      [query, normal([32, 32])],
      [key, normal([32, 32])],
      [up, normal([32, 64])],
    ] as const;
    const stored: Record<string, Tensor> = { ...feeds, bias: normal([64]) };
    for (const [node, tensor] of floats) {
      const name = products.parameters.get(node)! as "query" | "key" | "up";
      const { values, scale } = quantizeWeight(tensor, weights[name], 7);
      Object.assign(stored, { [quantizedNames(name).values]: values, [quantizedNames(name).scale]: scale });
    }
    const [a, b] = await Promise.all([fused, qdq].map((graph) => outputOf(graph, stored)));
    expect(relativeError(a!, b!)).toBeLessThan(1e-5);
  });

  test("reads rows of an embedding that also scores its own rows", async () => {
    const table = weight(40, 32);
    const ids = input("ids", "int64", [batch]);
    const tied: Graph = {
      inputs: [ids],
      parameters: new Map([[table, "table"]]),
      outputs: { y: matmul(gather(table, ids), table, { transB: true }) },
    };
    const [use] = weightUses(tied);
    expect([...use!.uses].sort()).toEqual(["rows", "transposed product"]);
    const plan: QuantizationPlan = { weights: { table: { kind: "int8", axis: 0, isTransposed: false } } };
    const { float, quantized, graph } = await compare(tied, plan, {
      ids: Tensor.from("int64", [3], [0, 39, 7]),
    });
    expect(relativeError(quantized, float)).toBeLessThan(0.03);
    expect(countOf(graph, "integerMatmul")).toBe(1);
  });

  test("dequantises for ops that have no form in integers", async () => {
    const table = weight(40, 32);
    const sliced: Graph = {
      inputs: [x],
      parameters: new Map([[table, "table"]]),
      outputs: { y: add(x, slice(table, 0, 2, 3)) },
    };
    expect(weightUses(sliced)).toEqual([]);
    const plan: QuantizationPlan = { weights: { table: { kind: "int8", axis: 0, isTransposed: false } } };
    const { float, quantized } = await compare(sliced, plan, feeds);
    expect(relativeError(quantized, float)).toBeLessThan(0.02);
    const blocks: WeightPlan = { kind: "blocks", axis: 0, bits: 4, blockSize: 16 };
    expect(() => optimise(sliced, { quantize: { weights: { table: blocks } } })).toThrow(
      "quantize: table: slice needs it as a float; leave it out",
    );
  });

  test("multiplies the tiles of a patch embedding, and leaves other convolutions to floats", async () => {
    const pixels = input("pixels", "float32", [batch, 3, 9, 8]);
    const kernel = weight(6, 3, 2, 2);
    const embed = (padding: number): Graph => ({
      inputs: [pixels],
      parameters: new Map([[kernel, "kernel"]]),
      outputs: { y: conv(pixels, kernel, { strides: 2, padding }) },
    });
    const plan: QuantizationPlan = { weights: { kernel: { kind: "int8", axis: 0, isTransposed: false } } };
    const given = { pixels: normal([2, 3, 9, 8]) };
    const tiled = await compare(embed(0), plan, given);
    expect(opsOf(tiled.graph)).toContain("integerMatmul");
    expect(relativeError(tiled.quantized, tiled.float)).toBeLessThan(0.03);
    expect(weightUses(embed(1))).toEqual([]);
    const padded = await compare(embed(1), plan, given);
    expect(opsOf(padded.graph)).toContain("dequantizeLinear");
    expect(relativeError(padded.quantized, padded.float)).toBeLessThan(0.03);
  });

  test.each([
    [8, 0.02],
    [4, 0.15],
  ] as const)("keeps matrices in blocks of %i bits", async (bits, most) => {
    const blocks = (axis: 0 | 1): WeightPlan => ({ kind: "blocks", axis, bits, blockSize: 16 });
    const plan: QuantizationPlan = { weights: { query: blocks(0), key: blocks(0), up: blocks(1) } };
    const { float, quantized, graph } = await compare(products, plan, feeds);
    expect(countOf(graph, "blockMatmul")).toBe(3);
    expect(relativeError(quantized, float)).toBeLessThan(most);
  });

  test("with switches is the float graph where all are off", async () => {
    const names = Object.keys(productPlan.weights);
    const switches = (on: readonly string[]): Record<string, Tensor> =>
      Object.fromEntries(
        names.map((name) => [switchName(name), Tensor.from("bool", [], [on.includes(name) ? 1 : 0])]),
      );
    const off = await compare(products, productPlan, feeds, { hasSwitches: true, switches: switches([]) });
    expect(relativeError(off.quantized, off.float)).toBeLessThan(1e-6);
    const on = await compare(products, productPlan, feeds, { hasSwitches: true, switches: switches(["up"]) });
    expect(relativeError(on.quantized, on.float)).toBeGreaterThan(1e-4);
    expect(off.graph.inputs.map(inputName)).toEqual(["x", ...names.map(switchName)]);
  });
});

async function outputOf(graph: Graph, values: Readonly<Record<string, Tensor>>): Promise<number[]> {
  const session = await OrtSession.open({ bytes: encodeOnnx(graph) }, { threads: 1 });
  const given = Object.fromEntries(session.inputs.map(({ name }) => [name, values[name]!]));
  const { y } = await session.run(given);
  await session.release();
  return y!.toNumbers();
}
