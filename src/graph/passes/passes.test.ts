import { describe, expect, test } from "vitest";
import { evaluate, graphOf } from "../../../test/support/evaluate.ts";
import { symbol } from "../../tensor/dims.ts";
import { Random } from "../../tensor/random.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { grad } from "../grad.ts";
import { type Graph, validate } from "../graph.ts";
import { type Call, constant, input, type Node, parameter, scalar, topologicalOrder } from "../node.ts";
import { geluTanh, quickGelu } from "../ops/activation.ts";
import { add, mul, neg, reshape, sub, sum, transpose } from "../ops/core.ts";
import { fusions } from "../ops/fusions.ts";
import { topK } from "../ops/indexing.ts";
import { abs, exp, silu, sin, tanh } from "../ops/math.ts";
import { matmul } from "../ops/matmul.ts";
import { layerNorm, rmsNorm, softmax } from "../ops/norm.ts";
import { padAxis } from "../ops/shape.ts";
import { attrsKey, mergeCommon } from "./common.ts";
import { dropUnused } from "./dead.ts";
import { fuse } from "./fuse.ts";
import { optimise } from "./optimise.ts";
import { rewrite, rewriteNodes, substitute } from "./rewrite.ts";
import { simplify } from "./simplify.ts";

const B = symbol("batch");
const [x, y] = [input("x", "float32", [B, 4]), input("y", "float32", [B, 4])];
const feeds = {
  x: Tensor.from(
    "float32",
    [4, 4],
    Array.from({ length: 16 }, (_, at) => Math.sin(at)),
  ),
  y: Tensor.from(
    "float32",
    [4, 4],
    Array.from({ length: 16 }, (_, at) => Math.cos(3 * at)),
  ),
};

const callsOf = (graph: Graph): Call[] =>
  topologicalOrder(Object.values(graph.outputs)).filter((call) => call.inputs.length > 0);

type Step = (random: Random, pick: () => Node) => Node;

/** Ways to grow a graph over values [batch, 4]; many leave something to simplify, merge or fuse. */
const steps: Step[] = [
  (_, pick) => add(pick(), pick()),
  (_, pick) => sub(pick(), pick()),
  (_, pick) => mul(pick(), pick()),
  (_, pick) => mul(pick(), 1),
  (_, pick) => add(0, pick()),
  (random, pick) => mul(pick(), add(mul(scalar(random.integer(3)), 0.5), 0.25)),
  (_, pick) => tanh(pick()),
  (_, pick) => transpose(transpose(pick())),
  (_, pick) => reshape(reshape(reshape(pick(), [B, 2, 2]), [2, 2, B]), [B, 4]),
  (_, pick) => softmax(pick()),
  (_, pick) => geluTanh(pick()),
  (_, pick) => quickGelu(pick()),
  (_, pick) => silu(pick()),
  (_, pick) => matmul(pick(), matmul(pick(), pick(), { transA: true }), { alpha: 0.1 }),
  (_, pick) => rmsNorm(pick(), rowOf(pick()), 1e-3),
  (_, pick) => layerNorm(add(pick(), pick()), rowOf(pick()), rowOf(pick()), 1e-3),
  (_, pick) => topK(pick(), 4).values,
];

const rowOf = (node: Node): Node => tanh(sum(node, 0));

/** Two outputs after `length` random steps, each kept in [−1, 1] so that errors do not grow. */
function randomGraph(seed: number, length = 30): Graph {
  const random = new Random(seed);
  const values = [x, y];
  const pick = (): Node => values[Math.max(0, values.length - 1 - random.integer(6))]!;
  while (values.length < length) values.push(tanh(steps[random.integer(steps.length)]!(random, pick)));
  return graphOf(values.slice(-2));
}

async function expectEqual(before: Graph, after: Graph, tolerance: number): Promise<void> {
  validate(after);
  const [left, right] = [before, after].map((graph) => Object.values(graph.outputs));
  const values = await evaluate([...left!, ...right!], feeds);
  left!.forEach((_, at) => {
    const other = values[left!.length + at]!.toNumbers();
    const error = Math.max(...values[at]!.toNumbers().map((value, index) => Math.abs(value - other[index]!)));
    expect(error).toBeLessThanOrEqual(tolerance);
  });
}

describe("on random graphs", () => {
  const seeds = Array.from({ length: 12 }, (_, at) => [at] as const);

  test.each(seeds)("seed %d: simplifying and merging keep the values exactly", async (seed) => {
    const graph = randomGraph(seed);
    await expectEqual(graph, simplify(graph), 0);
    await expectEqual(graph, mergeCommon(graph), 0);
  });

  test.each(seeds)("seed %d: fusing keeps the values within float32 rounding", async (seed) => {
    const graph = randomGraph(seed);
    await expectEqual(graph, optimise(graph, { fuse: fusions.gpu }), 1e-5);
  });

  test.each(seeds)("seed %d: no pass adds calls, and a second run changes nothing", (seed) => {
    const graph = randomGraph(seed);
    const once = optimise(graph, { fuse: fusions.gpu });
    expect(callsOf(once).length).toBeLessThan(callsOf(graph).length);
    expect(optimise(once, { fuse: fusions.gpu }).outputs).toEqual(once.outputs);
  });

  test("gradients are optimised like any other graph", async () => {
    const [output] = Object.values(randomGraph(3).outputs);
    const graph = graphOf(grad(sum(output!), [x, y]));
    const optimised = optimise(graph, { fuse: fusions.cpu });
    expect(callsOf(optimised).length).toBeLessThan(callsOf(graph).length);
    await expectEqual(graph, optimised, 1e-4);
  });
});

describe("rewriting", () => {
  test("keeps the nodes that nothing changes", () => {
    const node = tanh(add(x, y));
    expect(rewriteNodes([node], () => undefined)).toEqual([node]);
    expect(rewriteNodes([node], () => undefined)[0]).toBe(node);
  });

  test("carries all outputs of a call", async () => {
    const { values, indices } = topK(x, 2);
    const [first, second] = substitute([values, indices], new Map([[x, neg(y)]]));
    expect([first!.index, second!.index]).toEqual([0, 1]);
    expect(first!.call).toBe(second!.call);
    expect(first!.call.inputs[0]!.call.op.name).toBe("neg");
  });

  test("does not overflow the stack on a chain of 20,000 calls", () => {
    let node = x;
    for (let count = 0; count < 20_000; count++) node = sin(node);
    const graph = rewrite(graphOf([node]), (call, inputs) =>
      call.inputs[0] === x ? [abs(inputs[0]!)] : undefined,
    );
    expect(callsOf(graph)).toHaveLength(20_000);
  });

  test("refuses a replacement of another shape", () => {
    const replace = (): Graph =>
      rewrite(graphOf([tanh(x)]), (call) => (call.inputs.length > 0 ? [sum(x)] : undefined));
    expect(replace).toThrow("rewrite: tanh: float32[batch, 4] was replaced by sum: float32[]");
  });
});

describe("simplifying", () => {
  test("drops sums with zero, products with one and changes of shape that undo each other", () => {
    const same = reshape(transpose(transpose(reshape(mul(add(x, 0), 1), [4, B]))), [B, 4]);
    expect(simplify(graphOf([same])).outputs.out_0).toBe(x);
  });

  test("folds arithmetic on scalars through several calls", () => {
    const factor = exp(mul(add(scalar(1), 1), 0.5));
    const [result] = Object.values(simplify(graphOf([mul(x, factor)])).outputs);
    expect(result!.call.inputs[1]!.call.op.name).toBe("constant");
    expect(callsOf(simplify(graphOf([mul(x, factor)])))).toHaveLength(1);
  });
});

describe("common subexpressions", () => {
  const count = (...outputs: Node[]): number => callsOf(mergeCommon(graphOf(outputs))).length;

  test("equal calls become one", () => {
    expect(count(add(tanh(x), tanh(x)))).toBe(2);
    expect(count(softmax(x), softmax(x), softmax(x, 0))).toBe(2);
  });

  test("equal constants are one, by content", () => {
    const row = (last: number): Node => constant(Tensor.from("float32", [2], [1, last]));
    const graph = mergeCommon(graphOf([row(2), row(2), row(3)]));
    expect(graph.outputs.out_0).toBe(graph.outputs.out_1);
    expect(graph.outputs.out_2).not.toBe(graph.outputs.out_0);
  });

  test("parameters that are alike stay apart", () => {
    const weights = [0, 1].map(() => parameter([4, 4], { kind: "constant", value: 0 }));
    expect(count(...weights.map((weight) => matmul(x, weight)))).toBe(2);
  });

  test("attributes that JSON writes alike stay apart", () => {
    const values = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 0, -0];
    expect(new Set(values.map((value) => attrsKey({ value }))).size).toBe(5);
    expect(count(...values.map((value) => padAxis(x, 0, 1, 0, value)))).toBe(5);
    expect(attrsKey({ shape: [symbol("2")] })).not.toBe(attrsKey({ shape: [2] }));
  });
});

describe("unused inputs", () => {
  test("go, unless a dimension can be read from nothing else", () => {
    const z = input("z", "float32", [symbol("other")]);
    const weight = parameter([4], { kind: "constant", value: 0 });
    const graph = { inputs: [x, y, z], parameters: new Map([[weight, "w"]]), outputs: { out: tanh(y) } };
    expect(dropUnused(graph)).toEqual({ inputs: [y], parameters: new Map(), outputs: graph.outputs });
    const sized = { ...graph, outputs: { out: add(scalar(1), sum(parameterOfSize(z), 0)) } };
    expect(dropUnused(sized).inputs).toEqual([z]);
    validate(dropUnused(sized));
  });
});

/** A value whose size is that of `like`, computed from the dimension alone. */
const parameterOfSize = (like: Node): Node =>
  padAxis(constant(Tensor.zeros("float32", [1])), 0, like.shape[0]!, 0, 1);

describe("fusing", () => {
  test("leaves a value alone whose parts are used elsewhere", () => {
    const whole = geluTanh(x);
    const inner = whole.call.inputs[1]!;
    const graph = graphOf([whole, inner]);
    expect(fuse(graph, fusions.cpu).outputs).toEqual(graph.outputs);
  });

  test("names an op that cannot be fused", () => {
    expect(() => fuse(graphOf([x]), ["tanh"])).toThrow('fuse: "tanh" is not a fused op');
  });
});
