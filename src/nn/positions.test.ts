import { describe, expect, test } from "vitest";
import { evaluate, graphOf } from "../../test/support/evaluate.ts";
import { constant, input, type Node } from "../graph/node.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { slice } from "../graph/ops/shape.ts";
import { symbol } from "../tensor/dims.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { scaledDotProductAttention } from "./attention.ts";
import { Context } from "./context.ts";
import { Init, initialValue } from "./module.ts";
import { sinusoids } from "./positions.ts";
import { byDistance, byKey, distances, pairIndices } from "./positions-relative.ts";
import { rotaryPositions } from "./positions-rotary.ts";
import {
  clippedRow,
  RelativeKeys,
  RelativeKeysAndQueries,
  RelativeKeysAndValues,
  reversedRow,
} from "./positions-shaw.ts";
import { distanceSinusoids } from "./positions-xlnet.ts";
import { relativeBuckets } from "./t5-positions.ts";

const random = new Random(5);
const normal = (...shape: number[]): Tensor =>
  Tensor.from(
    "float32",
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
  );
const int64 = (...values: number[]): Node => constant(Tensor.from("int64", [values.length], values));
const rows = (tensor: Tensor): number[][] => {
  const width = tensor.shape.at(-1)!;
  const values = tensor.toNumbers();
  return Array.from({ length: values.length / width }, (_, row) =>
    values.slice(row * width, (row + 1) * width),
  );
};
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, at) => sum + value * b[at]!, 0);

/** Values of nodes over parameters drawn by a fixed seed; also those parameters, in order. */
async function run(nodes: readonly Node[], feeds: Record<string, Tensor> = {}): Promise<Tensor[]> {
  const parameters = [...graphOf(nodes).parameters].map(([node, name]) => [
    name,
    initialValue(node, name, 1),
  ]);
  return evaluate(nodes, { ...feeds, ...Object.fromEntries(parameters) });
}

describe("relative rows", () => {
  test("of a table become rows by key, whatever the lengths", async () => {
    for (const [queries, keys] of [
      [4, 4],
      [1, 5],
      [5, 1],
      [3, 6],
    ] as const) {
      const [matrix] = await evaluate([pairIndices(distances(queries, keys), queries)]);
      expect(rows(matrix!)).toEqual(
        Array.from({ length: queries }, (_, t) => Array.from({ length: keys }, (_, s) => s - t)),
      );
    }
  });

  test("go back to where they came from, with zeros elsewhere", async () => {
    const x = normal(2, 3, 4);
    const [there, back] = await evaluate([byDistance(constant(x)), byKey(byDistance(constant(x)))]);
    expect(back!.data).toEqual(x.data);
    expect(there!.shape).toEqual([2, 3, 7]);
    expect(there!.toNumbers().filter((value) => value !== 0)).toHaveLength(24);
  });

  test("work with symbolic lengths, of one token too", async () => {
    const x = input("x", "float32", [symbol("queries"), symbol("columns")]);
    for (const queries of [1, 3]) {
      const columns = queries + 2;
      const [y] = await evaluate([byKey(x)], { x: normal(queries, columns) });
      expect(y!.shape).toEqual([queries, 2]);
    }
  });
});

describe("Shaw's positions", () => {
  const farthest = 2;
  const [query, key] = [normal(1, 1, 3, 4), normal(1, 1, 5, 4)];
  const row = (distance: number): number => Math.max(-farthest, Math.min(farthest, distance)) + farthest;

  test("of keys add q · a, far distances sharing the outermost vectors", async () => {
    const positions = new RelativeKeys(new Init(1), 4, farthest);
    const scores = positions.at().scores!(constant(query), constant(key), 0.5, 0);
    const [actual, table] = await run([scores, positions.keys.weight]);
    const expected = rows(query).map((q, t) =>
      rows(key).map((_, s) => 0.5 * dot(q, rows(table!)[row(s - t)]!)),
    );
    rows(actual!).forEach((line, t) => {
      line.forEach((value, s) => {
        expect(value).toBeCloseTo(expected[t]![s]!, 5);
      });
    });
  });

  test("of keys and queries add q · a + k · a, in the reversed order of Hugging Face's BERT too", async () => {
    const positions = new RelativeKeysAndQueries(new Init(1), 4, farthest, reversedRow);
    const scores = positions.at().scores!(constant(query), constant(key), 1, 0);
    const [actual, table] = await run([scores, positions.keys.weight]);
    rows(actual!).forEach((line, t) => {
      line.forEach((value, s) => {
        const vector = rows(table!)[row(t - s)]!;
        expect(value).toBeCloseTo(dot(rows(query)[t]!, vector) + dot(rows(key)[s]!, vector), 5);
      });
    });
  });

  test("of values add Σ p b", async () => {
    const positions = new RelativeKeysAndValues(new Init(1), 4, farthest);
    const probabilities = normal(1, 1, 3, 5);
    const [actual, table] = await run([
      positions.at().values!(constant(probabilities)),
      positions.values.weight,
    ]);
    rows(actual!).forEach((line, t) => {
      line.forEach((value, column) => {
        const weights = rows(probabilities)[t]!;
        const expected = weights.reduce((sum, p, s) => sum + p * rows(table!)[row(s - t)]![column]!, 0);
        expect(value).toBeCloseTo(expected, 5);
      });
    });
  });

  test("give the same in one step of decoding as over the whole text", async () => {
    const [q, k, v] = [normal(1, 2, 6, 4), normal(1, 2, 6, 4), normal(1, 2, 6, 4)].map(constant) as [
      Node,
      Node,
      Node,
    ];
    for (const Positions of [RelativeKeys, RelativeKeysAndQueries, RelativeKeysAndValues]) {
      const positions = new Positions(new Init(1), 4, farthest);
      const ctx = Context.inference();
      const whole = scaledDotProductAttention(ctx, q, [{ key: k, value: v }], { positions: positions.at() });
      const part = (node: Node, from: number, to: number): Node => slice(node, 2, from, to);
      const parts = [
        { key: part(k, 0, 4), value: part(v, 0, 4) },
        { key: part(k, 4, 6), value: part(v, 4, 6) },
      ];
      const step = scaledDotProductAttention(ctx, part(q, 4, 6), parts, {
        positions: positions.at({ offset: 4 }),
      });
      const [expected, actual] = await run([part(whole, 4, 6), step]);
      actual!.toNumbers().forEach((value, at) => {
        expect(value).toBeCloseTo(expected!.toNumbers()[at]!, 5);
      });
    }
  });

  test("number rows from the farthest behind, or reversed", async () => {
    const [clipped, reversed] = await evaluate([
      clippedRow(int64(-9, -1, 0, 3), 2),
      reversedRow(int64(-9, -1, 0, 3), 2),
    ]);
    expect(clipped!.toNumbers()).toEqual([0, 1, 2, 4]);
    expect(reversed!.toNumbers()).toEqual([4, 3, 2, 0]);
  });
});

describe("rotary positions", () => {
  const layouts = ["interleaved", "half-rotation"] as const;

  test.each(layouts)("make scores depend on the distance alone (%s)", async (layout) => {
    const [q, k] = [normal(1, 2, 5, 8), normal(1, 2, 5, 8)].map(constant) as [Node, Node];
    const scoresAt = (offset: number): Node => {
      const { rotate } = rotaryPositions(5, 8, { layout, offset });
      return matmul(rotate!(q), rotate!(k), { transB: true });
    };
    const [near, far] = await evaluate([scoresAt(0), scoresAt(700)]);
    near!.toNumbers().forEach((value, at) => {
      expect(far!.toNumbers()[at]).toBeCloseTo(value, 4);
    });
  });

  test("differ between layouts only by the order of features", async () => {
    const x = normal(1, 1, 4, 6);
    const order = [0, 2, 4, 1, 3, 5]; // evens, then odds
    const reordered = Tensor.from(
      "float32",
      [1, 1, 4, 6],
      rows(x).flatMap((row) => order.map((at) => row[at]!)),
    );
    const [paired, halved] = await evaluate([
      rotaryPositions(4, 6, { layout: "interleaved", base: 50 }).rotate!(constant(x)),
      rotaryPositions(4, 6, { layout: "half-rotation", base: 50 }).rotate!(constant(reordered)),
    ]);
    rows(halved!).forEach((row, t) => {
      row.forEach((value, at) => {
        expect(value).toBeCloseTo(rows(paired!)[t]![order[at]!]!, 5);
      });
    });
  });

  test("of a part of the head leave the rest, and turn values where that is asked for", async () => {
    const x = normal(1, 1, 3, 8);
    const { rotate, rotateValue } = rotaryPositions(3, 8, {
      layout: "half-rotation",
      width: 4,
      turnsValues: true,
    });
    const [turned, value] = await evaluate([rotate!(constant(x)), rotateValue!(constant(x))]);
    expect(rows(turned!).map((row) => row.slice(4))).toEqual(rows(x).map((row) => row.slice(4)));
    expect(rows(turned!)[2]!.slice(0, 4)).not.toEqual(rows(x)[2]!.slice(0, 4));
    expect(value!.data).toEqual(turned!.data);
    expect(rotaryPositions(3, 8, { layout: "interleaved" }).rotateValue).toBeUndefined();
  });

  test("keep the angle of far positions", async () => {
    const one = constant(Tensor.from("float32", [1, 1, 1, 2], [1, 0]));
    const offset = 1_000_000;
    const [turned] = await evaluate([rotaryPositions(1, 2, { layout: "interleaved", offset }).rotate!(one)]);
    expect(turned!.toNumbers()[0]).toBeCloseTo(Math.cos(offset), 5);
    expect(turned!.toNumbers()[1]).toBeCloseTo(Math.sin(offset), 5);
  });

  test("refuse a width that is odd or more than the head's", () => {
    for (const width of [3, 10, 0]) {
      expect(() => rotaryPositions(4, 8, { layout: "interleaved", width })).toThrow(/even and from 2 to 8/);
    }
  });
});

describe("T5's buckets", () => {
  const bucketsOf = async (bidirectional: boolean, ...values: number[]): Promise<number[]> =>
    (await evaluate([relativeBuckets(int64(...values), { bidirectional })]))[0]!.toNumbers();

  test("are exact nearby and logarithmic far away", async () => {
    expect(await bucketsOf(false, 0, -1, -15, -16, -31, -127, -128, -5000)).toEqual([
      0, 1, 15, 16, 21, 31, 31, 31,
    ]);
    expect(await bucketsOf(false, 1, 99)).toEqual([0, 0]);
    expect(await bucketsOf(true, 1, -1, 7, 200, -200)).toEqual([17, 1, 23, 31, 15]);
  });

  test("refuse a largest distance among the exact ones", () => {
    expect(() => relativeBuckets(int64(0), { bidirectional: false, maxDistance: 16 })).toThrow(/do not fit/);
    expect(() => relativeBuckets(int64(0), { bidirectional: true, numBuckets: 2 })).toThrow(/do not fit/);
  });
});

describe("sinusoids", () => {
  test("of an odd width have one sine more", async () => {
    const [halves] = await evaluate([sinusoids(3, 5, "half-split")]);
    const angle = (pair: number): number => 2 / 10000 ** ((2 * pair) / 5);
    const expected = [0, 1, 2].map((i) => Math.sin(angle(i))).concat([0, 1].map((i) => Math.cos(angle(i))));
    rows(halves!)[2]!.forEach((value, at) => {
      expect(value).toBeCloseTo(expected[at]!, 6);
    });
  });

  test("of distances fall from the first, clamped and with their sign turned where asked", async () => {
    const [plain, clamped, reversed] = await evaluate([
      distanceSinusoids(3, -3, 2),
      distanceSinusoids(3, -3, 2, { clampLength: 1 }),
      distanceSinusoids(3, -3, 2, { isReversed: true }),
    ]);
    const sines = (tensor: Tensor): number[] => rows(tensor).map(([sine]) => sine!);
    const expected = [3, 2, 1, 0, -1, -2].map(Math.sin);
    sines(plain!).forEach((value, at) => {
      expect(value).toBeCloseTo(expected[at]!, 6);
      expect(sines(reversed!)[at]).toBeCloseTo(-expected[at]!, 6);
    });
    expect(sines(clamped!)[0]).toBeCloseTo(Math.sin(1), 6);
    expect(sines(clamped!)[5]).toBeCloseTo(Math.sin(-1), 6);
  });
});
