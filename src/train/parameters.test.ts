import { describe, expect, test } from "vitest";
import { Init } from "../nn/module.ts";
import { AdamW } from "./optimizer.ts";
import { TrainingParameters } from "./parameters.ts";

describe("training parameters", () => {
  const init = new Init();
  const fast = init.learningAt(10);
  const nodes = [
    [init.ones([2]), "bias"],
    [fast.ones([2, 2]), "fast.weight"],
    [init.ones([3, 2]), "weight"],
    [fast.ones([4]), "fast.bias"],
    [init.ones([2, 1]), "other.weight"],
  ] as const;

  test("lie in groups of one decay and one learning rate, decayed ones first", () => {
    const { groups, spans } = new TrainingParameters(nodes, { weightDecay: 0.1, seed: 0 });
    const named = groups.map(({ start, end, weightDecay, rateFactor }) => ({
      names: [...spans].filter(([, span]) => span.start >= start && span.end <= end).map(([name]) => name),
      weightDecay,
      rateFactor,
    }));
    expect(named).toEqual([
      { names: ["fast.weight"], weightDecay: 0.1, rateFactor: 10 },
      { names: ["weight", "other.weight"], weightDecay: 0.1, rateFactor: 1 },
      { names: ["bias"], weightDecay: 0, rateFactor: 1 },
      { names: ["fast.bias"], weightDecay: 0, rateFactor: 10 },
    ]);
  });

  test("that learn ten times as fast move ten times as far", async () => {
    const state = new TrainingParameters(nodes, { weightDecay: 0, seed: 0 });
    state.gradients.fill(1);
    const optimizer = await AdamW.open();
    await optimizer.step(state, state.groups, { learningRate: 0.01, gradientScale: 1, step: 1 });
    await optimizer.release();
    const moved = (name: string): number => 1 - state.view(name).toNumbers()[0]!;
    expect(moved("weight")).toBeCloseTo(0.01, 5);
    expect(moved("fast.weight")).toBeCloseTo(0.1, 5);
    expect(moved("fast.bias")).toBeCloseTo(0.1, 5);
  });
});
