import { describe, expect, test } from "vitest";
import { evaluate } from "../../../test/support/evaluate.ts";
import { equalShapes, symbol } from "../../tensor/dims.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { constant, input, type Node, scalar, uniformValue } from "../node.ts";
import { add, div, mul, neg, reshape, sub, transpose } from "./core.ts";
import { abs, ceil, cos, exp, floor, log, reciprocal, sign, sin, sqrt, tanh } from "./math.ts";

const x = input("x", "float64", [symbol("batch"), 6]);
const value = (number: number): Node => scalar(number, "float64");

const simplify = (node: Node): Node | undefined => node.call.op.simplify?.(node.call);

describe("simplify", () => {
  test.each([
    ["x + 0", add(x, 0)],
    ["0 + x", add(0, x)],
    ["x − 0", sub(x, 0)],
    ["x × 1", mul(x, 1)],
    ["1 × x", mul(1, x)],
    ["x / 1", div(x, 1)],
  ])("drops the constant of %s", (_, node) => {
    expect(simplify(node)).toBe(x);
  });

  test("keeps what would change the shape or the value", () => {
    const zero = constant(Tensor.zeros("float64", [1, 1, 1]));
    for (const node of [add(x, zero), add(x, 1), sub(0, x), mul(x, 0), div(1, x), neg(x)]) {
      expect(simplify(node)).toBeUndefined();
    }
  });

  test("computes functions of scalar constants as the engine does", async () => {
    const binary = [add, sub, mul, div].map((op) => op(value(0.7), value(-1.3)));
    const unary = [neg, exp, log, sqrt, reciprocal, tanh, sin, cos, abs, sign, floor, ceil];
    const nodes = [...binary, ...unary.map((op) => op(value(0.7)))];
    const computed = await evaluate(nodes);
    nodes.forEach((node, at) => {
      expect(uniformValue(simplify(node)!), String(node)).toBeCloseTo(computed[at]!.toNumbers()[0]!, 15);
    });
    expect(simplify(add(scalar(1, "int64"), scalar(2, "int64")))).toBeUndefined();
  });

  test("joins reshapes and transposes, and drops those that do nothing", async () => {
    const reshaped = reshape(reshape(x, [-1, 3]), [-1, 2]);
    const transposed = transpose(transpose(reshape(x, [-1, 2, 3]), [2, 0, 1]), [1, 0, 2]);
    const feeds = {
      x: Tensor.from(
        "float64",
        [2, 6],
        Array.from({ length: 12 }, (_, at) => at),
      ),
    };
    for (const node of [reshaped, transposed]) {
      const simpler = simplify(node)!;
      expect(simpler.call.inputs[0]).toBe(node.call.inputs[0]!.call.inputs[0]);
      expect(equalShapes(simpler.shape, node.shape)).toBe(true);
      const [before, after] = await evaluate([node, simpler], feeds);
      expect(after).toEqual(before);
    }
    expect(simplify(reshape(reshape(x, [-1]), x.shape))).toBe(x);
    expect(simplify(transpose(x, [0, 1]))).toBe(x);
    expect(simplify(transpose(x))).toBeUndefined();
    expect(simplify(reshape(exp(x), [-1]))).toBeUndefined();
  });
});
