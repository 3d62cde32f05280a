import { describe, expect, test } from "vitest";
import { grad } from "../graph/grad.ts";
import { input, type Node } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { sum } from "../graph/ops/core.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Distillation, distillationLoss, distillationTerms } from "./distillation.ts";

const objective: Distillation = {
  temperature: 2,
  labels: 0,
  outputs: 1,
  hidden: 0,
  features: 0,
  logits: "softmax",
};

type Values = Record<string, { shape: number[]; data: number[]; dtype?: "int64" | "float32" }>;

/** What a graph over these inputs gives. */
async function run(values: Values, build: (nodes: Record<string, Node>) => Node): Promise<number[]> {
  const tensors = Object.entries(values).map(
    ([name, { shape, data, dtype = "float32" }]) => [name, Tensor.from(dtype, shape, data)] as const,
  );
  const nodes = Object.fromEntries(
    tensors.map(([name, { dtype, shape }]) => [name, input(name, dtype, shape)]),
  );
  const graph = { inputs: Object.values(nodes), parameters: new Map(), outputs: { result: build(nodes) } };
  const session = await OrtSession.open({ bytes: encodeOnnx(graph), name: "distillation" });
  const feeds = Object.fromEntries(
    tensors.filter(([name]) => session.inputs.some((one) => one.name === name)),
  );
  const { result } = await session.run(feeds);
  await session.release();
  return result!.toNumbers();
}

const outputsTerm =
  (
    outputs: (nodes: Record<string, Node>) => Record<string, Node>,
    kind: Distillation["logits"] = "softmax",
  ) =>
  (nodes: Record<string, Node>): Node =>
    distillationTerms(
      { outputs: outputs(nodes), captured: new Map(), inputs: nodes },
      { ...objective, logits: kind },
    ).outputs!;

const logits = { shape: [2, 3], data: [1, 2, -1, 0.5, 0, 3] };

describe("the objective of a student", () => {
  test("is 0 for the teacher's own logits, and its gradient too", async () => {
    const values = { student: logits, "teacher.logits": logits };
    const term = outputsTerm(({ student }) => ({ logits: student! }));
    expect(await run(values, term)).toEqual([0]);
    const slope = await run(values, (nodes) => sum(grad(term(nodes), [nodes.student!])[0]!));
    expect(slope[0]).toBeCloseTo(0, 6);
  });

  test("counts tokens under the mask alone", async () => {
    const shape = [1, 2, 2];
    const term = outputsTerm(({ student }) => ({ logits: student! }));
    const values = (odd: number): Values => ({
      student: { shape, data: [1, 0, odd, 0] },
      "teacher.logits": { shape, data: [0, 1, 0, 0] },
      "teacher.mask": { shape: [1, 2], data: [1, 0] },
    });
    const [one, other] = [await run(values(5), term), await run(values(-70), term)];
    expect(one[0]).toBeGreaterThan(0.1);
    expect(other).toEqual(one);
  });

  test("leaves padding out of the scores of positions, whatever they are there", async () => {
    const shape = [1, 3];
    const values = (odd: number): Values => ({
      student: { shape, data: [1, 2, odd] },
      "teacher.start_logits": { shape, data: [2, 1, 0] },
      attention_mask: { shape, data: [1, 1, 0], dtype: "int64" },
    });
    const term = outputsTerm(({ student }) => ({ start_logits: student! }));
    const [one, other] = [await run(values(9), term), await run(values(-900), term)];
    expect(Number.isFinite(one[0])).toBe(true);
    expect(one[0]).toBeGreaterThan(0.1);
    expect(other).toEqual(one);
    const slope = await run(values(9), (nodes) => grad(term(nodes), [nodes.student!])[0]!);
    expect(slope[2]).toBe(0);
    expect(slope[0]).toBeLessThan(0);
  });

  test("compares classes one by one, and numbers as they are", async () => {
    const values = {
      student: { shape: [1, 2], data: [0, 0] },
      "teacher.logits": { shape: [1, 2], data: [0, 0] },
    };
    const each = outputsTerm(({ student }) => ({ logits: student! }), "sigmoid");
    expect((await run(values, each))[0]).toBeCloseTo(Math.log(2), 6);
    const numbers = {
      student: { shape: [2, 1], data: [1, 4] },
      "teacher.logits": { shape: [2, 1], data: [2, 2] },
    };
    expect(
      await run(
        numbers,
        outputsTerm(({ student }) => ({ logits: student! }), "number"),
      ),
    ).toEqual([2.5]);
  });

  test("compares each tower's embeddings by their angle", async () => {
    const values = {
      image: { shape: [1, 2], data: [3, 0] },
      text: { shape: [1, 2], data: [0, 1] },
      "teacher.image_embeds": { shape: [1, 2], data: [1, 0] },
      "teacher.text_embeds": { shape: [1, 2], data: [1, 0] },
    };
    const term = outputsTerm(({ image, text }) => ({ image_embeds: image!, text_embeds: text! }));
    expect((await run(values, term))[0]).toBeCloseTo(0.5, 6);
  });

  test("finds examples alike by states of any width, padding not counted", async () => {
    const mask = { shape: [2, 2], data: [1, 1, 1, 0], dtype: "int64" as const };
    const values = (odd: number): Values => ({
      student: { shape: [2, 2, 2], data: [1, 0, 1, 0, 0, 2, odd, odd] },
      "teacher.features": { shape: [2, 3], data: [5, 0, 0, 0, 0, 1] },
      attention_mask: mask,
    });
    const features = (nodes: Record<string, Node>): Node =>
      distillationTerms(
        { outputs: {}, captured: new Map([["hidden_states.1", nodes.student!]]), inputs: nodes },
        objective,
      ).features!;
    expect((await run(values(0), features))[0]).toBeCloseTo(0, 6); // both find the two unlike each other
    expect(await run(values(7), features)).toEqual(await run(values(0), features));
  });

  test("adds the loss of the labels with its weight", async () => {
    const values = { student: logits, "teacher.logits": logits, loss: { shape: [], data: [3] } };
    const total = await run(values, (nodes) =>
      distillationLoss(
        { outputs: { loss: nodes.loss!, logits: nodes.student! }, captured: new Map(), inputs: nodes },
        { ...objective, labels: 0.5 },
      ),
    );
    expect(total).toEqual([1.5]);
  });

  test("refuses logits and states of other shapes", () => {
    const shapes = { student: [2, 3], "teacher.logits": [2, 4] };
    const nodes = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [name, input(name, "float32", shape)]),
    );
    expect(() => outputsTerm(({ student }) => ({ logits: student! }))(nodes)).toThrow(
      /student's logits are \[2, 3\], the teacher's \[2, 4\]/,
    );
    const hidden = { "teacher.hidden": input("h", "float32", [2, 5, 8]) };
    const captured = new Map([["hidden_states.2", input("s", "float32", [2, 5, 4])]]);
    expect(() => distillationTerms({ outputs: {}, captured, inputs: hidden }, objective)).toThrow(
      /hidden states must fit/,
    );
  });
});
