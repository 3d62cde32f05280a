import { expect, test } from "vitest";
import { evaluate, graphOf } from "../../../test/support/evaluate.ts";
import { symbol } from "../../tensor/dims.ts";
import { Random } from "../../tensor/random.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { constant, input, type Node, topologicalOrder } from "../node.ts";
import { add, reshape, transpose } from "../ops/core.ts";
import { matmul } from "../ops/matmul.ts";
import { layerNorm, softmax } from "../ops/norm.ts";
import { slice, squeeze } from "../ops/shape.ts";
import { narrow } from "./narrow.ts";

const [B, T] = [symbol("batch"), symbol("length")];
const random = new Random(5);
const weight = (...shape: number[]): Node =>
  constant(
    Tensor.from(
      "float32",
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
    ),
  );
const x = input("x", "float32", [B, T, 4]);
const feeds = {
  x: Tensor.from(
    "float32",
    [2, 3, 4],
    Array.from({ length: 24 }, () => random.normal()),
  ),
};

/** Attention of two heads with a skip connection and a norm. */
function attention(): Node {
  const heads = (node: Node): Node => transpose(reshape(node, [B, T, 2, 2]), [0, 2, 1, 3]);
  const [query, key, value] = [weight(4, 4), weight(4, 4), weight(4, 4)].map((w) => heads(matmul(x, w)));
  const mixed = matmul(softmax(matmul(query!, key!, { transB: true })), value!);
  const joined = reshape(transpose(mixed, [0, 2, 1, 3]), [B, T, 4]);
  return layerNorm(add(matmul(joined, weight(4, 4)), x), weight(4), weight(4), 1e-5);
}

const productsOfAllTokens = (nodes: readonly Node[]): number =>
  topologicalOrder(nodes).filter(({ op, outputs }) => op.name === "matmul" && outputs[0]!.shape.includes(T))
    .length;

test("only keys, values and scores are computed for all tokens where the first one's output is used", async () => {
  const first = squeeze(slice(attention(), 1, 0, 1), 1);
  const { out_0 } = narrow(graphOf([first])).outputs;
  expect(productsOfAllTokens([first])).toBe(6);
  expect(productsOfAllTokens([out_0!])).toBe(3);
  const [before, after] = await evaluate([first, out_0!], feeds);
  for (const [at, value] of after!.toNumbers().entries()) {
    expect(value).toBeCloseTo(before!.toNumbers()[at]!, 5);
  }
});

test("what something else needs whole stays whole", () => {
  const hidden = attention();
  const graph = graphOf([slice(hidden, 1, 0, 1), hidden]);
  expect(narrow(graph).outputs).toEqual(graph.outputs);
});

test("different ranges of one value are not computed apart", () => {
  const hidden = attention();
  const graph = graphOf([slice(hidden, 1, 0, 1), slice(hidden, 1, 1, 2)]);
  expect(narrow(graph).outputs).toEqual(graph.outputs);
});
