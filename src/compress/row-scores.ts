/** A classifier's score of every example, so that two models can be compared example by example. */

import type { Session } from "../runtime/session.ts";
import { Random } from "../tensor/random.ts";
import { sizeOf, Tensor } from "../tensor/tensor.ts";
import { samplerOf } from "../train/score.ts";
import type { Dataset, TrainTask } from "../train/task.ts";
import { feedsFor } from "./sample-batches.ts";

const batchSize = 32;

/** 1 for each example that is answered rightly, else 0. */
export async function rowScores(session: Session, task: TrainTask, dataset: Dataset): Promise<number[]> {
  const scores: number[] = dataset.lengths.map(() => 0);
  for (const { indices, length } of samplerOf(dataset, task, batchSize, 0).batchesOf(0)) {
    const batch = await dataset.collate(indices, length, new Random(0), 0);
    const outputs = await session.run(feedsFor(session.inputs, batch), ["logits"]);
    for (const [row, index] of indices.entries()) {
      const evaluator = task.evaluator(dataset);
      evaluator.add({ logits: rowOf(outputs.logits!, row) }, [index]);
      scores[index] = evaluator.result()[task.bestMetric]!;
    }
  }
  return scores;
}

/** One row of a batch as a batch of one. */
function rowOf({ dtype, shape, data }: Tensor, row: number): Tensor {
  const size = sizeOf(shape.slice(1));
  return new Tensor(dtype, [1, ...shape.slice(1)], data.slice(row * size, (row + 1) * size));
}
