import { describe, expect, test } from "vitest";
import { graphOf } from "../../../test/support/evaluate.ts";
import { OrtSession } from "../../runtime/ort-session.ts";
import { symbol } from "../../tensor/dims.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Graph } from "../graph.ts";
import { constant, input, type Node, parameter, topologicalOrder } from "../node.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import { add, mul, sub } from "../ops/core.ts";
import { sin } from "../ops/math.ts";
import { matmul } from "../ops/matmul.ts";
import { softmax } from "../ops/norm.ts";
import { cast } from "../ops/select.ts";
import { iota, unsqueeze } from "../ops/shape.ts";
import { toHalf } from "./half.ts";
import { standardise } from "./standard.ts";

const [B, T] = [symbol("batch"), symbol("length")];

/** softmax(x W + sin(places) + bias of a mask): what is made of floats and weights, and what is made of integers. */
function maskedScores(): Graph {
  const x = input("x", "float32", [B, T, 4]);
  const mask = input("mask", "int64", [B, T]);
  const weight = parameter([4, 4], { kind: "constant", value: 0 });
  const places = sin(mul(cast(iota(T), "float32"), 0.37));
  const bias = mul(sub(1, cast(mask, "float32")), -3.4e38);
  const scores = add(matmul(x, weight), unsqueeze(add(places, bias), -1));
  const graph = graphOf([softmax(scores, 1)]);
  return { inputs: [x, mask], parameters: new Map([[weight, "weight"]]), outputs: graph.outputs };
}

const nodesOf = (graph: Graph): Node[] =>
  topologicalOrder(Object.values(graph.outputs)).flatMap(({ outputs }) => outputs);

async function run(graph: Graph, length: number): Promise<number[]> {
  const half = graph.parameters.keys().next().value!.dtype;
  const session = await OrtSession.open({ bytes: encodeOnnx(graph) }, { threads: 1 });
  const values = (count: number) => Array.from({ length: count }, (_, at) => Math.sin(at + 1));
  const { out_0 } = await session.run({
    x: Tensor.from("float32", [1, length, 4], values(length * 4)),
    mask: Tensor.from(
      "int64",
      [1, length],
      values(length).map((_, at) => (at < length - 2 ? 1 : 0)),
    ),
    weight: Tensor.from(half, [4, 4], values(16)),
  });
  await session.release();
  return out_0!.toNumbers();
}

describe("float16", () => {
  test("keeps inputs and outputs, and halves weights and what is computed of them", () => {
    const half = toHalf(maskedScores());
    expect(half.inputs.map(({ dtype }) => dtype)).toEqual(["float32", "int64"]);
    expect([...half.parameters].map(([{ dtype }, name]) => [dtype, name])).toEqual([["float16", "weight"]]);
    expect(half.outputs.out_0!.dtype).toBe("float32");
    const typeOf = (op: string) => nodesOf(half).find(({ call }) => call.op.name === op)!.dtype;
    expect([typeOf("matmul"), typeOf("softmax")]).toEqual(["float16", "float16"]);
  });

  test("computes places and masks in float32", () => {
    const sines = nodesOf(toHalf(maskedScores())).filter(({ call }) => call.op.name === "sin");
    expect(sines.map(({ dtype }) => dtype)).toEqual(["float32"]);
  });

  test("gives the values of float32, masked places included, also where a float16 could not tell places apart", async () => {
    const length = 3000;
    const [single, half] = [await run(maskedScores(), length), await run(toHalf(maskedScores()), length)];
    expect(half.slice(-8)).toEqual(new Array(8).fill(0));
    half.forEach((value, at) => {
      expect(Math.abs(value - single[at]!)).toBeLessThan(2e-6 + 0.01 * single[at]!);
    });
  });

  test("leaves the named inputs and outputs in float16", () => {
    const x = input("past", "float32", [2]);
    const graph = { inputs: [x], parameters: new Map(), outputs: { present: mul(x, 2), other: x } };
    const { inputs, outputs } = toHalf(graph, (name) => name !== "other");
    expect([inputs[0]!.dtype, outputs.present!.dtype, outputs.other!.dtype]).toEqual([
      "float16",
      "float16",
      "float32",
    ]);
  });

  test("bounds constants that it cannot hold", () => {
    const x = input("x", "float32", [2]);
    const graph = graphOf([add(x, constant(Tensor.from("float32", [2], [1e9, -1e9])))]);
    const [bounded] = nodesOf(toHalf({ ...graph, inputs: [x] })).filter(
      ({ call }) => "tensor" in Object(call.attrs),
    );
    expect((bounded!.call.attrs as { tensor: Tensor }).tensor.toNumbers()).toEqual([65504, -65504]);
  });
});

describe("standard operators", () => {
  test("say the same product without transposes and factors inside", async () => {
    const [a, b] = [input("a", "float32", [B, 3, 2]), input("b", "float32", [4, 3])];
    const graph = { ...graphOf([matmul(a, b, { transA: true, transB: true, alpha: 0.3 })]), inputs: [a, b] };
    const plain = standardise(graph);
    expect(nodesOf(plain).map(({ call }) => call.op.name)).toContain("transpose");
    const values = (count: number) => Array.from({ length: count }, (_, at) => Math.cos(at));
    const feeds = {
      a: Tensor.from("float32", [2, 3, 2], values(12)),
      b: Tensor.from("float32", [4, 3], values(12)),
    };
    const [expected, actual] = await Promise.all(
      [graph, plain].map(async (each) => {
        const session = await OrtSession.open({ bytes: encodeOnnx(each) }, { threads: 1 });
        const { out_0 } = await session.run(feeds);
        await session.release();
        return out_0!.toNumbers();
      }),
    );
    actual!.forEach((value, at) => {
      expect(value).toBeCloseTo(expected![at]!, 6);
    });
  });
});
