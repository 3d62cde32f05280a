/** Scores of a model on a data set, whatever computes its outputs. */

import { mapAhead } from "../data/map-ahead.ts";
import { type Batch as BatchPlan, BatchSampler } from "../data/sampler.ts";
import { deriveKey, Random } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ClassReport } from "./metrics/class-report.ts";
import type { Batch } from "./step.ts";
import type { Dataset, TrainTask } from "./task.ts";

/** Outputs of a model for a batch, all of them unless named, with `loss` where the batch has labels. */
export type Evaluate = (
  batch: Batch,
  outputs?: readonly string[],
) => Promise<Readonly<Record<string, Tensor>>>;

export const samplerOf = (
  { lengths, targetLengths, partSizes, fullBatches }: Dataset,
  { maxLength }: Pick<TrainTask, "maxLength">,
  batchSize: number,
  seed: number,
): BatchSampler =>
  new BatchSampler(lengths, { batchSize, seed, maxLength, targetLengths, partSizes, fullBatches });

/** Batches that are made or wait while one is evaluated. */
const batchesAhead = 2;

/** How a model does on a data set. */
export interface Scores {
  /** By name, with the mean loss. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Of a classifier. */
  readonly classReport?: ClassReport | undefined;
}

export async function score(
  evaluate: Evaluate,
  task: TrainTask,
  dataset: Dataset,
  batchSize: number,
): Promise<Scores> {
  const evaluator = task.evaluator(dataset);
  const sampler = samplerOf(dataset, task, batchSize, 0);
  let [loss, count] = [0, 0];
  const collate = async ({ indices, length }: BatchPlan): Promise<{ indices: number[]; batch: Batch }> => {
    const random = new Random(deriveKey(0, "evaluation", indices[0]!));
    return { indices, batch: await dataset.collate(indices, length, random, 0) };
  };
  for await (const { indices, batch } of mapAhead(sampler.batchesOf(0), collate, batchesAhead)) {
    const outputs = await evaluate(batch, task.outputs);
    if (outputs.loss) {
      loss += Number(outputs.loss.data[0]) * indices.length;
      count += indices.length;
    }
    evaluator.add(outputs, indices);
  }
  const metrics = { ...(count > 0 && { loss: loss / count }), ...evaluator.result() };
  return { metrics, classReport: evaluator.classReport?.() };
}
