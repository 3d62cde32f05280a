import { describe, expect, test } from "vitest";
import { Tensor } from "../tensor/tensor.ts";
import { type AttentionMap, attentionMaps, rollout, strongestLinks } from "./attention.ts";

const map = (layer: number, ...heads: number[][]): AttentionMap => ({
  stack: "",
  layer,
  probabilities: Tensor.from("float32", [heads.length, 2, 2], heads.flat()),
});
const identity = [1, 0, 0, 1];
const toFirst = [1, 0, 1, 0];

describe("attention rollout", () => {
  test("is the product over layers of half the mean head and half the identity", () => {
    // Layer 1: mean of heads [1 0; ½ ½], with the skip [1 0; ¼ ¾]. Layer 2: [1 0; ½ ½].
    const rolled = rollout([map(0, identity, toFirst), map(1, toFirst)], 2);
    expect(rolled.toNumbers()).toEqual([1, 0, 0.5 + 0.5 * 0.25, 0.5 * 0.75]);
  });

  test("without layers leaves every position to itself", () => {
    expect(rollout([], 2).toNumbers()).toEqual(identity);
  });
});

describe("attention maps", () => {
  test("are the first row's, by stack and layer, and nothing else of the outputs", () => {
    const tensor = (value: number) => Tensor.from("float32", [2, 1, 1, 1], [value, -1]);
    const outputs = {
      "attentions.10": tensor(10),
      logits: tensor(0),
      "attentions.9": tensor(9),
      "cross_attentions.0": tensor(1),
    };
    const found = attentionMaps(outputs).map(({ stack, layer, probabilities }) => [
      stack,
      layer,
      ...probabilities.toNumbers(),
    ]);
    expect(found).toEqual([
      ["", 9, 9],
      ["", 10, 10],
      ["cross", 0, 1],
    ]);
  });
});

describe("the strongest links", () => {
  test("name the layer and head where each pair attends most, strongest first", () => {
    const [first, second] = strongestLinks([
      map(0, [0.9, 0.1, 0.2, 0.8]),
      map(1, [0.5, 0.5, 0.1, 0.9], [1, 0, 0, 1]),
    ]);
    expect(first).toEqual({ layer: 1, head: 1, from: 0, to: 0, weight: 1 });
    expect(second).toEqual({ layer: 1, head: 1, from: 1, to: 1, weight: 1 });
  });
});
