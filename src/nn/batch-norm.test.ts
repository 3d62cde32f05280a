import { expect, test } from "vitest";
import { evaluate } from "../../test/support/evaluate.ts";
import { constant, scalar } from "../graph/node.ts";
import { Tensor } from "../tensor/tensor.ts";
import { BatchNorm } from "./batch-norm.ts";
import { Context } from "./context.ts";
import { Init, initialValue } from "./module.ts";

async function updatesFor(rows: readonly number[]): Promise<number[][]> {
  const norm = new BatchNorm(new Init(), 1);
  const ctx = Context.training(scalar(0, "uint32"));
  norm.forward(ctx, constant(Tensor.from("float32", [rows.length, 1], rows)));
  const state = [norm.runningMean, norm.runningVariance, norm.batches];
  const feeds = Object.fromEntries(
    state.map((node, at) => [`parameter_${at}`, initialValue(node, `state.${at}`, 0)]),
  );
  const values = await evaluate(
    state.map((node) => ctx.updates.get(node)!),
    feeds,
  );
  return values.map((tensor) => tensor.toNumbers());
}

test("running statistics move a tenth of the way to the batch's, the variance without bias", async () => {
  const [mean, variance, batches] = await updatesFor([1, 2, 3, 6]);
  expect(mean![0]).toBeCloseTo(0.3, 6);
  expect(variance![0]).toBeCloseTo(0.9 + 0.1 * (14 / 3), 6);
  expect(batches).toEqual([1]);
});

test("a batch of one row leaves finite statistics", async () => {
  const [mean, variance] = await updatesFor([5]);
  expect(mean![0]).toBeCloseTo(0.5, 6);
  expect(variance![0]).toBeCloseTo(0.9, 6);
});
