import { describe, expect, test } from "vitest";
import { Tensor } from "../tensor/tensor.ts";
import {
  constant,
  constantValue,
  defineOp,
  input,
  inputName,
  isInput,
  isParameter,
  type Node,
  parameter,
  parameterAttrs,
  registeredOps,
  scalar,
  topologicalOrder,
  uniformValue,
  zeroGrad,
} from "./node.ts";
import { add, mul } from "./ops/core.ts";

const x = input("x", "float64", [2]);

describe("nodes", () => {
  test("are frozen with their calls", () => {
    const node = mul(x, x);
    for (const part of [node, node.call, node.call.inputs, node.call.outputs]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test("say what they are", () => {
    expect(String(mul(x, x))).toBe("mul: float64[2]");
    expect(String(x)).toBe("input: float64[2]");
  });

  test("numbers stand for constants of the other operand's dtype", () => {
    const node = mul(3, x);
    expect(node.call.inputs[0]!.dtype).toBe("float64");
    expect(uniformValue(node.call.inputs[0]!)).toBe(3);
  });

  test("leaves keep what they were made with", () => {
    const weight = parameter([2], { kind: "normal", std: 0.02 }, "float32", false);
    expect([isInput(x), isParameter(x), inputName(x)]).toEqual([true, false, "x"]);
    expect([isInput(weight), isParameter(weight)]).toEqual([false, true]);
    expect(parameterAttrs(weight)).toEqual({
      init: { kind: "normal", std: 0.02 },
      isTrainable: false,
      rateFactor: 1,
    });
    expect(constantValue(x)).toBeUndefined();
  });

  test("a constant has a uniform value when it has one element, float16 decoded", () => {
    expect(uniformValue(scalar(1.5, "float16"))).toBe(1.5);
    expect(uniformValue(scalar(-2, "int64"))).toBe(-2);
    expect(uniformValue(constant(Tensor.zeros("float32", [2])))).toBeUndefined();
    expect(uniformValue(x)).toBeUndefined();
  });
});

describe("defineOp", () => {
  test("registers the op under its name, once", () => {
    const spec = {
      infer: ([node]: readonly Node[]) => [node!],
      lower: () => "",
      vjp: zeroGrad,
    };
    defineOp("onceForTest", spec);
    expect(registeredOps().get("onceForTest")?.name).toBe("onceForTest");
    expect(() => defineOp("onceForTest", spec)).toThrow('op "onceForTest" is defined twice');
  });
});

describe("topologicalOrder", () => {
  test("has inputs before their users, each call once, dead calls not at all", () => {
    const shared = add(x, 1);
    const left = mul(shared, 2);
    mul(shared, 3);
    const root = add(left, shared);
    const calls = topologicalOrder([root, left]);
    expect(new Set(calls).size).toBe(calls.length);
    const computed = calls.filter((call) => call.inputs.length > 0);
    expect(computed).toEqual([shared.call, left.call, root.call]);
  });

  test("takes a chain of 100,000 calls without recursion", () => {
    let node = x;
    for (let step = 0; step < 100_000; step++) node = add(node, x);
    expect(topologicalOrder([node])).toHaveLength(100_001);
  });
});
