import { describe, expect, test } from "vitest";
import { symbol } from "../tensor/dims.ts";
import { costOf } from "./cost.ts";
import type { Graph } from "./graph.ts";
import { input, parameter } from "./node.ts";
import { conv } from "./ops/conv.ts";
import { add, reshape } from "./ops/core.ts";
import { tanh } from "./ops/math.ts";
import { matmul } from "./ops/matmul.ts";

const B = symbol("batch");
const x = input("x", "float32", [B, 8]);
const weight = parameter([16, 8], { kind: "constant", value: 0 });
const graphOf = (outputs: Graph["outputs"]): Graph => ({
  inputs: [x],
  parameters: new Map([[weight, "weight"]]),
  outputs,
});

describe("cost", () => {
  test("counts two operations for each multiply-add, whichever way a matrix is stored", () => {
    const product = matmul(x, weight, { transB: true });
    const { flops, flopsByOp } = costOf(graphOf({ y: product }), { batch: 5 });
    expect(flops).toBe(2 * 5 * 8 * 16);
    expect(flopsByOp).toEqual({ matmul: { calls: 1, flops } });
    const back = matmul(product, weight);
    expect(costOf(graphOf({ y: back }), { batch: 5 }).flops).toBe(2 * flops);
    expect(costOf(graphOf({ y: matmul(x, x, { transA: true }) }), { batch: 5 }).flops).toBe(2 * 8 * 5 * 8);
  });

  test("counts a convolution's kernel for every output, by group", () => {
    const pixels = input("pixels", "float32", [B, 4, 10, 10]);
    const kernels = parameter([6, 2, 3, 3], { kind: "constant", value: 0 });
    const y = conv(pixels, kernels, { groups: 2 });
    const graph = { inputs: [pixels], parameters: new Map([[kernels, "kernels"]]), outputs: { y } };
    expect(costOf(graph, { batch: 3 }).flops).toBe(2 * 3 * 6 * 8 * 8 * (2 * 3 * 3));
  });

  test("frees a value after its last use, and gives views no memory", () => {
    const row = 5 * 8 * 4; // bytes
    const chain = tanh(tanh(tanh(x)));
    expect(costOf(graphOf({ y: chain }), { batch: 5 }).activationBytes).toBe(3 * row);
    const viewed = reshape(tanh(reshape(x, [8, B])), [B, 8]);
    expect(costOf(graphOf({ y: viewed }), { batch: 5 }).activationBytes).toBe(2 * row);
    const kept = tanh(x);
    expect(costOf(graphOf({ y: add(tanh(tanh(kept)), kept) }), { batch: 5 }).activationBytes).toBe(4 * row);
  });

  test("names a size that is missing", () => {
    expect(() => costOf(graphOf({ y: matmul(x, x, { transB: true }) }), {})).toThrow(/"batch"/);
  });
});
