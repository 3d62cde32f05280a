import { describe, expect, test } from "vitest";
import { checkGradients, type NamedCase, runCases } from "../../../test/support/check-ops.ts";
import { evaluate, graphOf } from "../../../test/support/evaluate.ts";
import { fusedCases } from "../../../test/support/op-cases-fused.ts";
import { symbol } from "../../tensor/dims.ts";
import { Random } from "../../tensor/random.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { applyOp, input, type Node, registeredOps, topologicalOrder } from "../node.ts";
import { fuse } from "../passes/fuse.ts";
import { gelu, geluTanh, quickGelu } from "./activation.ts";
import { matchGelu, matchLayerNorm } from "./compositions.ts";
import { add, div, mul, reshape, sub, transpose } from "./core.ts";
import { fusions } from "./fusions.ts";
import { erf, rsqrt, sigmoid, sqrt, square, tanh } from "./math.ts";
import { matmul } from "./matmul.ts";
import { layerNorm, rmsNorm, softmax } from "./norm.ts";
import { mean } from "./reduce.ts";

const B = symbol("batch");
const T = symbol("length");
const [x, skip] = [input("x", "float32", [B, T, 8]), input("skip", "float32", [B, T, 8])];
const [scale, shift] = [input("scale", "float32", [8]), input("shift", "float32", [8])];
const padding = input("padding", "float32", [B, 1, 1, T]);
const causal = input("causal", "float32", [T, T]);

/** Attention as the layers write it, with its probabilities. */
function attention(bias?: Node): { output: Node; probabilities: Node } {
  const heads = (node: Node): Node => transpose(reshape(node, [B, T, 2, 4]), [0, 2, 1, 3]);
  const scores = matmul(heads(tanh(x)), heads(skip), { transB: true, alpha: 0.5 });
  const probabilities = softmax(bias ? add(scores, bias) : scores);
  const output = reshape(transpose(matmul(probabilities, heads(x)), [0, 2, 1, 3]), [B, T, 8]);
  return { output, probabilities };
}

const draw = (shape: readonly number[]): Tensor => {
  const random = new Random(shape.length + 3);
  const size = shape.reduce((product, dim) => product * dim, 1);
  return Tensor.from(
    "float32",
    shape,
    Array.from({ length: size }, () => 2 * random.normal()),
  );
};
const feeds = {
  x: draw([2, 3, 8]),
  skip: draw([2, 3, 8]),
  scale: draw([8]),
  shift: draw([8]),
  padding: draw([2, 1, 1, 3]),
  causal: draw([3, 3]),
};

const opNames = (node: Node): string[] =>
  topologicalOrder([node])
    .filter((call) => call.inputs.length > 0)
    .map((call) => call.op.name);

const plainForms: [name: string, plain: Node, ops: string[]][] = [
  ["fusedGeluTanh", geluTanh(x), ["fusedGeluTanh"]],
  ["swish", quickGelu(x), ["swish"]],
  ["swish", mul(x, sigmoid(x)), ["swish"]],
  ["biasGelu", gelu(add(x, scale)), ["biasGelu"]],
  ["biasGelu", gelu(add(scale, x)), ["biasGelu"]],
  ["fusedRmsNorm", rmsNorm(x, scale, 1e-6), ["fusedRmsNorm"]],
  ["skipLayerNorm", layerNorm(add(x, skip), scale, shift, 1e-5), ["skipLayerNorm"]],
  ["fusedAttention", attention().output, ["tanh", "fusedAttention"]],
  ["fusedAttention", attention(padding).output, ["tanh", "fusedAttention"]],
  ["fusedAttention", attention(causal).output, ["tanh", "fusedAttention"]],
];

describe("fused ops", () => {
  test.each(plainForms)("%s replaces its plain form and keeps the values", async (name, plain, ops) => {
    const fused = fuse(graphOf([plain]), [name]).outputs.out_0!;
    expect(opNames(fused)).toEqual(ops);
    const [expected, actual] = await evaluate([plain, fused], feeds);
    expect(largestDifference(expected!, actual!)).toBeLessThan(2e-6);
  });

  const others: [title: string, name: string, node: Node][] = [
    ["a factor that is not the one of GELU", "fusedGeluTanh", mul(mul(x, 0.25), add(tanh(x), 1))],
    ["a product of different values", "swish", mul(x, sigmoid(mul(skip, 1.702)))],
    ["a bias that is not one row", "biasGelu", gelu(add(x, skip))],
    ["a sum that broadcasts", "skipLayerNorm", layerNorm(add(x, scale), scale, shift, 1e-5)],
  ];
  test.each(others)("leave alone %s", (_, name, node) => {
    expect(opNames(fuse(graphOf([node]), [name]).outputs.out_0!)).not.toContain(name);
  });

  test("attention stays plain where its probabilities are asked for", () => {
    const { output, probabilities } = attention(padding);
    const graph = graphOf([output, probabilities]);
    expect(fuse(graph, fusions.gpu).outputs).toEqual(graph.outputs);
  });

  test("every name in the lists of fusions is of an op with a match", () => {
    for (const name of [...fusions.cpu, ...fusions.gpu]) {
      expect(registeredOps().get(name)?.match, name).toBeTypeOf("function");
    }
  });
});

const largestDifference = (a: Tensor, b: Tensor): number => {
  const other = b.toNumbers();
  return Math.max(...a.toNumbers().map((value, at) => Math.abs(value - other[at]!)));
};

describe("compositions", () => {
  const centred = sub(x, mean(x, -1, true));
  const spread = add(mean(square(centred), -1, true), 1e-5);
  const written: [string, string, Node][] = [
    ["gelu", "x · 0.5 (1 + erf)", mul(x, mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5))],
    ["gelu", "0.5 (x / √2 …)", mul(mul(x, add(erf(div(x, Math.SQRT2)), 1)), 0.5)],
    ["gelu", "(0.5 x)(1 + erf)", mul(mul(0.5, x), add(1, erf(div(x, Math.SQRT2))))],
    ["layerNorm", "with a division", add(mul(div(centred, sqrt(spread)), scale), shift)],
    ["layerNorm", "with a reciprocal", add(shift, mul(scale, mul(centred, rsqrt(spread))))],
  ];
  test.each(written)("%s written as %s is recognised and keeps the values", async (name, _, plain) => {
    const found = name === "gelu" ? matchGelu(plain) : matchLayerNorm(plain);
    const op = registeredOps().get(name)!;
    const fused = applyOp(op, found!.inputs, found!.attrs).outputs[0]!;
    expect(found!.inputs[0]).toBe(x);
    const [expected, actual] = await evaluate([plain, fused], feeds);
    expect(largestDifference(expected!, actual!)).toBeLessThan(2e-6);
  });

  test("other formulas are not", () => {
    expect(matchGelu(mul(mul(x, 0.4), add(erf(div(x, Math.SQRT2)), 1)))).toBeUndefined();
    expect(matchLayerNorm(add(mul(div(centred, sqrt(spread)), scale), skip))).toBeUndefined();
  });
});

describe("gradients and float64 values of fused ops", () => {
  const cases: NamedCase[] = Object.entries(fusedCases).flatMap(([subject, own]) =>
    own.map((one) => ({ ...one, subject })),
  );
  test("gradients equal central differences", async () => {
    const checks = await checkGradients(cases);
    checks.forEach(({ first: { analytic, numeric } }, at) => {
      analytic.forEach((value, index) => {
        expect(value, cases[at]!.title).toBeCloseTo(numeric[index]!, 6);
      });
    });
  });
  test("float32 on the fused kernel agrees with float64 on the plain form", async () => {
    const [exact, single] = [await runCases(cases, "float64", false), await runCases(cases, "float32", true)];
    exact.forEach(({ outputs: [expected] }, at) => {
      expect(largestDifference(expected!, single[at]!.outputs[0]!)).toBeLessThan(2e-6);
    });
  });
});
