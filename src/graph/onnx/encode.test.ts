import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { graphOf } from "../../../test/support/evaluate.ts";
import { addDims, mulDims, symbol } from "../../tensor/dims.ts";
import { numberToFloat16, Tensor } from "../../tensor/tensor.ts";
import type { Graph } from "../graph.ts";
import { constant, input, type Node, parameter } from "../node.ts";
import { add, broadcastTo, mul, reshape } from "../ops/core.ts";
import { matmul } from "../ops/matmul.ts";
import { cast } from "../ops/select.ts";
import { iota } from "../ops/shape.ts";
import { type EncodeOptions, type ExternalTensor, encodeOnnx } from "./encode.ts";
import { ModelProto } from "./schema.ts";

interface ValueInfo {
  name: string;
  type: { tensor_type: { elem_type: number; shape: { dim: { dim_value?: string; dim_param?: string }[] } } };
}

interface DecodedGraph {
  node: { op_type: string; name: string; input: string[]; output: string[] }[];
  initializer: { name: string; dims: string[]; external_data: { key: string; value: string }[] }[];
  input: ValueInfo[];
  output: ValueInfo[];
}

/** The graph of an encoded model, as plain objects with empty lists in place. */
function decode(graph: Graph, options: EncodeOptions = {}): DecodedGraph {
  const message = ModelProto.decode(encodeOnnx(graph, options));
  return ModelProto.toObject(message, { longs: String, arrays: true }).graph;
}

const dims = ({ type }: ValueInfo): (string | undefined)[] =>
  type.tensor_type.shape.dim.map((dim) => dim.dim_param || dim.dim_value);

const batch = symbol("batch");
const x = input("x", "float32", [batch, 2]);
const weight = parameter([2, 2], { kind: "constant", value: 0 });
const graph: Graph = {
  inputs: [x],
  parameters: new Map([[weight, "layer.weight"]]),
  outputs: { y: matmul(x, weight) },
};

describe("encodeOnnx", () => {
  test("declares symbolic dimensions by name and numbers by value", () => {
    const { input: inputs, output } = decode(graph);
    expect(dims(inputs[0]!)).toEqual(["batch", "2"]);
    expect(dims(output[0]!)).toEqual(["batch", "2"]);
  });

  test("makes parameters inputs unless their stored bytes are given", () => {
    expect(decode(graph).input.map(({ name }) => name)).toEqual(["x", "layer.weight"]);
    expect(decode(graph).initializer).toEqual([]);
  });

  test("names outputs as the graph does, also when two are one value or an input", () => {
    const { output } = decode({ ...graph, outputs: { y: graph.outputs.y!, again: graph.outputs.y!, x2: x } });
    expect(output.map(({ name }) => name)).toEqual(["y", "again", "x2"]);
  });

  test("shares equal small constants and keeps large ones apart", () => {
    const large = (): Node => constant(Tensor.zeros("float32", [17, 2]));
    const sum = add(add(mul(x, 2), 2), broadcastTo(constant(Tensor.zeros("float32", [2])), x.shape));
    expect(decode(graphOf([sum])).initializer.filter(({ dims: sizes }) => sizes.length === 0)).toHaveLength(
      1,
    );
    expect(decode(graphOf([add(large(), large())])).initializer).toHaveLength(2);
  });

  test("leaves out calls that no output needs", () => {
    mul(x, 7);
    expect(decode(graph).node.map(({ op_type }) => op_type)).toEqual(["MatMul", "Identity"]);
  });

  test("refuses a graph that is not valid", () => {
    expect(() => encodeOnnx({ ...graph, inputs: [] })).toThrow('graph: input "x" is used but not declared');
  });

  test("computes expressions of symbols at run time", async () => {
    const size = addDims(mulDims(mulDims(batch, batch), 2), -3);
    const session = await ort.InferenceSession.create(encodeOnnx(graphOf([iota(size), reshape(x, [-1])])));
    const feed = new ort.Tensor("float32", new Float32Array(6), [3, 2]);
    const { out_0: counts, out_1: flat } = await session.run({ x: feed });
    expect(Array.from(counts!.data as BigInt64Array, Number)).toEqual(
      Array.from({ length: 15 }, (_, at) => at),
    );
    expect(flat!.dims).toEqual([6]);
    await session.release();
  });
});

describe("weights in another file", () => {
  const folder = mkdtempSync(join(tmpdir(), "encode-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const stored: ExternalTensor = {
    file: "weights.bin",
    offset: 8,
    sizeBytes: 16,
    dtype: "float32",
    shape: [2, 2],
  };

  /** y for x = [1, 10], with the weight stored as it says. */
  async function run(external: ExternalTensor, bytes: Uint8Array): Promise<number[]> {
    writeFileSync(join(folder, "weights.bin"), Buffer.concat([Buffer.alloc(external.offset), bytes]));
    writeFileSync(join(folder, "model.onnx"), encodeOnnx(graph, { weights: () => external }));
    const session = await ort.InferenceSession.create(join(folder, "model.onnx"));
    const { y } = await session.run({ x: new ort.Tensor("float32", new Float32Array([1, 10]), [1, 2]) });
    await session.release();
    return Array.from(y!.data as Float32Array);
  }

  test("are read from their offset", async () => {
    expect(await run(stored, new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer))).toEqual([31, 42]);
  });

  test("are cast where they are stored in another floating dtype", async () => {
    const half = new Uint16Array([1, 2, 3, 4].map(numberToFloat16));
    const external = { ...stored, dtype: "float16", sizeBytes: 8 } as const;
    expect(await run(external, new Uint8Array(half.buffer))).toEqual([31, 42]);
    const brain = new Uint16Array([0x3f80, 0x4000, 0x4040, 0x4080]); // 1, 2, 3, 4
    expect(await run({ ...external, dtype: "bfloat16" }, new Uint8Array(brain.buffer))).toEqual([31, 42]);
  });

  test("are initializers with location, offset and length, and no inputs", () => {
    const { initializer, input: inputs } = decode(graph, { weights: () => stored });
    expect(inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(initializer[0]!.external_data.map(({ key, value }) => `${key}=${value}`)).toEqual([
      "location=weights.bin",
      "offset=8",
      "length=16",
    ]);
  });

  test("must have the parameter's shape", () => {
    const weights = (): ExternalTensor => ({ ...stored, shape: [4] });
    expect(() => encodeOnnx(graph, { weights })).toThrow(
      "layer.weight: expected [2, 2], the checkpoint has [4]",
    );
  });

  test("that cannot be found end the encoding with the finder's error", () => {
    const weights = (name: string): ExternalTensor => {
      throw new Error(`${name} is missing`);
    };
    expect(() => encodeOnnx(graph, { weights })).toThrow("layer.weight is missing");
  });
});

describe("casts and dtypes", () => {
  test("outputs carry their element types", () => {
    const { output } = decode(graphOf([cast(x, "float64"), cast(x, "int64"), cast(x, "bool")]));
    expect(output.map(({ type }) => type.tensor_type.elem_type)).toEqual([11, 7, 9]);
  });
});
