import { describe, expect, test } from "vitest";
import { input } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Context } from "./context.ts";

/** Columns drawn for rows of these weights, under several seeds. */
async function draws(weights: readonly number[], rows: number, seeds: readonly number[]): Promise<number[]> {
  const node = input("weights", "float32", [rows, weights.length]);
  const seed = input("seed", "uint32", []);
  const outputs = { drawn: Context.training(seed).draw(node) };
  const session = await OrtSession.open({
    bytes: encodeOnnx({ inputs: [node, seed], parameters: new Map(), outputs }),
    name: "draw",
  });
  const table = Tensor.from("float32", [rows, weights.length], new Array(rows).fill(weights).flat());
  const found: number[] = [];
  for (const value of seeds) {
    const { drawn } = await session.run({ weights: table, seed: Tensor.from("uint32", [], [value]) });
    found.push(...drawn!.toNumbers());
  }
  await session.release();
  return found;
}

describe("drawing columns", () => {
  test("takes each in proportion to its weight, and never one of weight 0", async () => {
    const found = await draws([1, 0, 2, 5], 2000, [1, 2]);
    const share = (column: number): number => found.filter((one) => one === column).length / found.length;
    expect(share(1)).toBe(0);
    for (const [column, expected] of [
      [0, 1 / 8],
      [2, 2 / 8],
      [3, 5 / 8],
    ] as const) {
      expect(Math.abs(share(column) - expected)).toBeLessThan(0.03);
    }
  });

  test("repeats with the seed", async () => {
    const weights = [1, 1, 1, 1, 1];
    const [first, again, other] = [
      await draws(weights, 50, [7]),
      await draws(weights, 50, [7]),
      await draws(weights, 50, [8]),
    ];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  test("takes the heaviest in inference", () => {
    const { call } = Context.inference().draw(input("weights", "float32", [2, 3]));
    expect(call.op.name).toBe("argMax");
  });
});
