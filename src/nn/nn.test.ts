import { describe, expect, test } from "vitest";
import { evaluate } from "../../test/support/evaluate.ts";
import { grad } from "../graph/grad.ts";
import { constant, input, type Node } from "../graph/node.ts";
import { sum } from "../graph/ops/core.ts";
import { deriveKeyNode, hashBits } from "../graph/ops/random.ts";
import { deriveKey, hash32, Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { causalBias, MultiHeadAttention, paddingBias, scaledDotProductAttention } from "./attention.ts";
import { Context } from "./context.ts";
import { Linear } from "./linear.ts";
import { binaryCrossEntropy, crossEntropy } from "./losses.ts";
import { Init, initialValue, parametersOf } from "./module.ts";
import { sinusoids } from "./positions.ts";

const random = new Random(3);
const normal = (shape: readonly number[]): Node => {
  const size = shape.reduce((a, b) => a * b, 1);
  return constant(
    Tensor.from(
      "float32",
      shape,
      Array.from({ length: size }, () => random.normal()),
    ),
  );
};
const numbers = (values: Tensor): number[] => values.toNumbers();

describe("modules", () => {
  test("name parameters by field paths, a shared one once", () => {
    const init = new Init();
    const shared = new Linear(init, 2, 3);
    const module = { layers: [new Linear(init, 2, 2), { inner: shared }], head: shared };
    expect([...parametersOf(module).values()]).toEqual([
      "layers.0.weight",
      "layers.0.bias",
      "layers.1.inner.weight",
      "layers.1.inner.bias",
    ]);
  });

  test("draw first values from the seed and the name alone", () => {
    const init = new Init(0.5);
    const node = init.normal([200, 50]);
    const first = initialValue(node, "a.weight", 7);
    expect(initialValue(node, "a.weight", 7).data).toEqual(first.data);
    expect(initialValue(node, "b.weight", 7).data).not.toEqual(first.data);
    const mean = numbers(first).reduce((a, b) => a + b) / first.size;
    const variance = numbers(first).reduce((a, b) => a + (b - mean) ** 2, 0) / first.size;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.sqrt(variance)).toBeCloseTo(0.5, 1);
    const cut = initialValue(init.truncatedNormal([1000], 1), "c", 0);
    expect(Math.max(...numbers(cut).map(Math.abs))).toBeLessThanOrEqual(2);
    const bound = Math.sqrt(6 / 30);
    const uniform = numbers(initialValue(init.xavier([10, 20]), "d", 0));
    expect(Math.max(...uniform.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(Math.max(...uniform)).toBeGreaterThan(bound * 0.9);
  });
});

describe("random numbers in graphs", () => {
  test("are the same as on the host", async () => {
    const key = input("key", "uint32", []);
    const seed = deriveKey(5);
    const [hashed, derived] = await evaluate([hashBits(key), deriveKeyNode(key, 3)], {
      key: Tensor.from("uint32", [], [seed]),
    });
    expect(numbers(hashed!)).toEqual([hash32(seed)]);
    expect(numbers(derived!)).toEqual([hash32((Math.imul(seed, 31) + hash32(3) + 1) >>> 0)]);
  });
});

describe("dropout", () => {
  const seed = input("seed", "uint32", []);
  const ones = constant(Tensor.from("float32", [64, 512], Array(64 * 512).fill(1)));
  const feeds = (key: number) => ({ seed: Tensor.from("uint32", [], [key]) });

  test("drops at its rate in every row and column, and keeps the mean", async () => {
    const [dropped] = await evaluate([Context.training(seed).dropout(ones, 0.3)], feeds(11));
    const values = numbers(dropped!);
    const zeros = values.filter((value) => value === 0).length / values.length;
    expect(zeros).toBeCloseTo(0.3, 1.5);
    expect(new Set(values.map((value) => value.toFixed(5)))).toEqual(
      new Set(["0.00000", (1 / 0.7).toFixed(5)]),
    );
    const rate = (members: number[]): number =>
      members.filter((value) => value === 0).length / members.length;
    for (let row = 0; row < 64; row++)
      expect(Math.abs(rate(values.slice(row * 512, (row + 1) * 512)) - 0.3)).toBeLessThan(0.12);
    for (let column = 0; column < 512; column++) {
      expect(Math.abs(rate(values.filter((_, at) => at % 512 === column)) - 0.3)).toBeLessThan(0.3);
    }
  });

  test("drops neighbours independently of each other", async () => {
    const [dropped] = await evaluate([Context.training(seed).dropout(ones, 0.5)], feeds(12));
    const values = numbers(dropped!).map((value) => (value === 0 ? -1 : 1));
    const correlation = (distance: number): number =>
      values.slice(0, -distance).reduce((total, value, at) => total + value * values[at + distance]!, 0) /
      values.length;
    for (const distance of [1, 2, 3, 511, 512, 513, 1024])
      expect(Math.abs(correlation(distance))).toBeLessThan(0.04);
  });

  test("repeats with the seed, differs between seeds and uses, and is off in inference", async () => {
    const ctx = Context.training(seed);
    const outputs = [ctx.dropout(ones, 0.5), ctx.dropout(ones, 0.5)];
    const [a, b] = await evaluate(outputs, feeds(1));
    const [again] = await evaluate(outputs, feeds(1));
    const [other] = await evaluate(outputs, feeds(2));
    expect(again!.data).toEqual(a!.data);
    expect(b!.data).not.toEqual(a!.data);
    expect(other!.data).not.toEqual(a!.data);
    expect(Context.inference().dropout(ones, 0.5)).toBe(ones);
  });

  test("passes the gradient through what it keeps", async () => {
    const x = input("x", "float32", [4, 8]);
    const y = Context.training(seed).dropout(x, 0.5);
    const [output, gradient] = await evaluate([y, grad(sum(y), [x])[0]!], {
      ...feeds(3),
      x: Tensor.from("float32", [4, 8], Array(32).fill(1)),
    });
    expect(gradient!.data).toEqual(output!.data);
  });
});

describe("attention", () => {
  const [query, key, value] = [normal([1, 2, 3, 4]), normal([1, 2, 5, 4]), normal([1, 2, 5, 4])];

  test("a masked position gets no weight", async () => {
    const ctx = Context.inference();
    const bias = paddingBias(constant(Tensor.from("int64", [1, 5], [1, 1, 1, 0, 0])), "float32");
    scaledDotProductAttention(ctx, query, [{ key, value }], { bias, captureAs: "weights" });
    const [weights] = await evaluate([ctx.captured.get("weights")!]);
    const rows = Array.from({ length: 6 }, (_, row) => numbers(weights!).slice(row * 5, row * 5 + 5));
    for (const row of rows) {
      expect(row.slice(3)).toEqual([0, 0]);
      expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    }
  });

  test("a causal bias hides the future", async () => {
    const [bias] = await evaluate([causalBias(3, 3, "float32")]);
    expect(numbers(bias!).map((number) => number === 0)).toEqual([
      true,
      false,
      false,
      true,
      true,
      false,
      true,
      true,
      true,
    ]);
  });

  test("a row with nothing to attend to stays finite", async () => {
    const ctx = Context.inference();
    const bias = paddingBias(constant(Tensor.zeros("int64", [1, 5])), "float32");
    const [output] = await evaluate([scaledDotProductAttention(ctx, query, [{ key, value }], { bias })]);
    expect(numbers(output!).every(Number.isFinite)).toBe(true);
  });

  test("crosses to a source of another width and length", () => {
    const attention = new MultiHeadAttention(new Init(), 12, 3, { sourceSize: 20 });
    const output = attention.forward(Context.inference(), normal([2, 4, 12]), { source: normal([2, 7, 20]) });
    expect(output.shape).toEqual([2, 4, 12]);
  });

  test("refuses heads that do not divide the width", () => {
    expect(() => new MultiHeadAttention(new Init(), 10, 3)).toThrow(/not a multiple of numHeads 3/);
  });
});

describe("losses", () => {
  const logits = constant(Tensor.from("float32", [3, 2], [0, 0, 2, 0, 0, 100]));

  test("cross entropy leaves ignored rows out", async () => {
    const [loss] = await evaluate([
      crossEntropy(logits, constant(Tensor.from("int64", [3], [0, -100, -100]))),
    ]);
    expect(numbers(loss!)[0]).toBeCloseTo(Math.log(2), 6);
  });

  test("cross entropy of only ignored rows is 0", async () => {
    const [loss] = await evaluate([
      crossEntropy(logits, constant(Tensor.from("int64", [3], [-100, -100, -100]))),
    ]);
    expect(numbers(loss!)).toEqual([0]);
  });

  test("label smoothing mixes in the mean over classes", async () => {
    const labels = constant(Tensor.from("int64", [3], [-100, 0, -100]));
    const [loss] = await evaluate([crossEntropy(logits, labels, { labelSmoothing: 0.2 })]);
    const [first, second] = [Math.log(1 + Math.exp(-2)), Math.log(1 + Math.exp(2))];
    expect(numbers(loss!)[0]).toBeCloseTo(0.8 * first + 0.1 * (first + second), 5);
  });

  test("binary cross entropy does not overflow", async () => {
    const large = constant(Tensor.from("float32", [2], [1000, -1000]));
    const [loss] = await evaluate([binaryCrossEntropy(large, constant(Tensor.from("float32", [2], [1, 1])))]);
    expect(numbers(loss!)[0]).toBeCloseTo(500, 3);
  });
});

describe("sinusoidal positions", () => {
  test("follow the paper in both layouts", async () => {
    const [interleaved, halves] = await evaluate([sinusoids(8, 6), sinusoids(8, 6, "half-split")]);
    const at = (table: Tensor, position: number): number[] =>
      numbers(table).slice(position * 6, position * 6 + 6);
    const angles = [5, 5 / 10000 ** (2 / 6), 5 / 10000 ** (4 / 6)];
    at(interleaved!, 5).forEach((number, i) => {
      const expected = i % 2 === 0 ? Math.sin(angles[i / 2]!) : Math.cos(angles[(i - 1) / 2]!);
      expect(number).toBeCloseTo(expected, 6);
    });
    expect(at(halves!, 5)).toEqual([0, 2, 4, 1, 3, 5].map((i) => at(interleaved!, 5)[i]));
  });
});
