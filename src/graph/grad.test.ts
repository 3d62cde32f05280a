import { describe, expect, test } from "vitest";
import { evaluate } from "../../test/support/evaluate.ts";
import { ShapeError } from "../errors.ts";
import { symbol } from "../tensor/dims.ts";
import { Tensor } from "../tensor/tensor.ts";
import { grad } from "./grad.ts";
import { defineOp, input, type Node, noGrad, scalar } from "./node.ts";
import { add, mul, sum } from "./ops/core.ts";
import { gather } from "./ops/indexing.ts";
import { exp, floor, maximum, relu, sin } from "./ops/math.ts";
import { max } from "./ops/reduce.ts";
import { cast, greater, where } from "./ops/select.ts";
import { slice } from "./ops/shape.ts";

const vector = (values: readonly number[]): Tensor => Tensor.from("float64", [values.length], values);
const x = input("x", "float64", [3]);
const feeds = { x: vector([1, 2, 3]) };

async function numbersOf(node: Node, values: Record<string, Tensor> = feeds): Promise<number[]> {
  const [result] = await evaluate([node], values);
  return result!.toNumbers();
}

describe("grad", () => {
  test("adds up the gradients of all uses of a value", async () => {
    const shared = mul(x, x);
    const [dx] = grad(sum(add(add(shared, shared), x)), [x]);
    expect(await numbersOf(dx!)).toEqual([5, 9, 13]); // 4x + 1
  });

  test("is zero for a node the loss does not depend on", async () => {
    const other = input("other", "float64", [2, 2]);
    const [dx, dOther] = grad(sum(x), [x, other]);
    expect(await numbersOf(dx!)).toEqual([1, 1, 1]);
    expect(dOther!.shape).toEqual([2, 2]);
    expect(await numbersOf(dOther!)).toEqual([0, 0, 0, 0]);
  });

  test("reaches values in the middle of a graph, and the loss itself", async () => {
    const middle = mul(x, 2);
    const loss = sum(mul(middle, middle));
    const [dMiddle, dLoss] = grad(loss, [middle, loss]);
    expect(await numbersOf(dMiddle!)).toEqual([4, 8, 12]);
    expect(await numbersOf(dLoss!, {})).toEqual([1]);
  });

  test("takes a cotangent for a loss that is no scalar", async () => {
    const [dx] = grad(mul(x, x), [x], input("seed", "float64", [3]));
    expect(await numbersOf(dx!, { ...feeds, seed: vector([1, 0, -1]) })).toEqual([2, 0, -6]);
  });

  test("gives gradients of gradients to any order", async () => {
    let derivative = sum(mul(mul(x, x), mul(x, x)));
    for (let order = 0; order < 4; order++) derivative = sum(grad(derivative, [x])[0]!);
    expect(await numbersOf(derivative, {})).toEqual([72]); // 24 for each of 3 elements
  });

  test("works where dimensions are symbols", async () => {
    const rows = input("rows", "float64", [symbol("batch"), 2]);
    const [gradient] = grad(sum(exp(rows)), [rows]);
    const values = Tensor.from("float64", [3, 2], [0, 0, 0, 0, 0, 0]);
    expect(await numbersOf(gradient!, { rows: values })).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test("stops at ops of zero gradient and at integers", async () => {
    const index = cast(floor(slice(x, 0, 0, 1)), "int64");
    const loss = add(sum(gather(x, index)), add(sum(floor(x)), sum(where(greater(x, 2), x, 0))));
    const [dx] = grad(loss, [x]);
    expect(await numbersOf(dx!)).toEqual([0, 1, 1]);
  });

  test("refuses a loss that is no scalar", () => {
    expect(() => grad(x, [x])).toThrow(
      new ShapeError("grad: the loss must be a scalar, got [3]; reduce it or give a cotangent"),
    );
  });

  test("names the op and the reason where a gradient reaches an op that has none", () => {
    const sealed = defineOp("sealedForTest", {
      infer: ([node]) => [node!],
      lower: (onnx, inputs) => onnx.node("Identity", inputs),
      vjp: noGrad("it is for inference only"),
    });
    expect(() => grad(sum(sealed(x)), [x])).toThrow(
      "grad: sealedForTest has no gradient: it is for inference only",
    );
    expect(() => grad(sum(add(sealed(x), input("y", "float64", [3]))), [])).not.toThrow();
  });

  test("refuses a rule whose gradient has another shape than the input", () => {
    const broken = defineOp("brokenForTest", {
      infer: ([node]) => [node!],
      lower: (onnx, inputs) => onnx.node("Identity", inputs),
      vjp: ({ grads: [dy] }) => [sum(dy)],
    });
    expect(() => grad(sum(broken(x)), [x])).toThrow(
      "grad: the gradient of brokenForTest must be float64[3], got float64[]",
    );
  });
});

describe("gradients at kinks", () => {
  const at = async (node: Node, values: readonly number[]): Promise<number[]> =>
    numbersOf(grad(sum(node), [x])[0]!, { x: vector(values) });

  test("equal elements share the gradient of a maximum", async () => {
    expect(await at(max(x), [5, 5, 1])).toEqual([0.5, 0.5, 0]);
    expect(await at(maximum(x, scalar(2, "float64")), [2, 3, 1])).toEqual([0.5, 1, 0]);
  });

  test("relu has gradient 0 at 0", async () => {
    expect(await at(relu(x), [-1, 0, 1])).toEqual([0, 0, 1]);
  });

  test("the row at a frozen index gets no gradient", async () => {
    const table = input("table", "float64", [3]);
    const indices = input("indices", "int64", [4]);
    const [gradient] = grad(sum(sin(gather(mul(table, 0), indices, 0, 1))), [table]);
    const [plain] = grad(sum(gather(table, indices, 0, 1)), [table]);
    const values = { table: vector([1, 2, 3]), indices: Tensor.from("int64", [4], [0, 1, 1, 2]) };
    expect(await numbersOf(plain!, values)).toEqual([1, 0, 1]);
    expect(await numbersOf(gradient!, values)).toEqual([0, 0, 0]);
  });
});
