import { expect, test } from "vitest";
import { Init } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";
import { TrainingParameters } from "./parameters.ts";
import { WeightAverage } from "./weight-average.ts";

test("the average begins as the first weights, forgets them soon, and follows running statistics", async () => {
  const init = new Init();
  const nodes = [
    [init.ones([70_000, 1]), "weight"],
    [init.state([2], 0), "mean"],
    [init.counter(), "count"],
  ] as const;
  const state = new TrainingParameters(nodes, { weightDecay: 0, seed: 0 });
  const average = await WeightAverage.open(0.5, 1);
  const moveTo = async (value: number, step: number): Promise<void> => {
    state.parameters.fill(value);
    state.buffers.set("mean", Tensor.from("float32", [2], [value, value]));
    state.buffers.set("count", Tensor.from("int64", [], [step]));
    await average.update(state, step, ["mean", "count"]);
  };
  const read = (name: string): number => Number(state.averaged(name).data.at(-1));
  expect(read("weight")).toBe(1); // none yet: the weights themselves
  await moveTo(4, 1);
  expect(read("weight")).toBe(4);
  await moveTo(15, 2); // keeps 2 / 11
  expect(read("weight")).toBeCloseTo((2 * 4 + 9 * 15) / 11, 5);
  await moveTo(0, 1000); // keeps one half
  expect(read("weight")).toBeCloseTo((2 * 4 + 9 * 15) / 22, 5);
  expect(read("mean")).toBeCloseTo(read("weight"), 5);
  expect([read("count"), Number(state.value("weight").data[0])]).toEqual([1000, 0]);
  await average.release();
});
