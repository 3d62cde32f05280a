/** What the trainer needs of a task: data sets that make batches, and a score of the model's outputs. */

import type { ConfigJson } from "../models/config.ts";
import type { TaskName } from "../models/model.ts";
import type { Random } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ClassReport } from "./metrics/class-report.ts";
import type { Batch } from "./step.ts";

/** Prepared items, addressed by index. */
export interface Dataset {
  /** Tokens of each item, so that batches are made of items of like length. */
  readonly lengths: readonly number[];
  /** Tokens of each item's second text, such as a translation; `collate` pads it by itself. */
  readonly targetLengths?: readonly number[];
  /** Items of each shard, where they lie in several one after the other, so that batches are drawn from few at a time. */
  readonly partSizes?: readonly number[] | undefined;
  /** Whether a last batch that is smaller is left out, as where the loss depends on the batch's size; default false. */
  readonly fullBatches?: boolean;
  /**
   * Inputs and labels of some items, padded to `length` tokens. All chance comes from `random`, which is the batch's
   * own, or from the epoch (from 0) and the items' indices.
   */
  collate(indices: readonly number[], length: number, random: Random, epoch: number): Batch | Promise<Batch>;
  /** Inputs of a training batch that follow from how many epochs are done, a fraction of the present one included. */
  inputsAt?(epochs: number): Batch;
}

/** Gathers predictions over a data set. */
export interface Evaluator {
  /** Outputs of the model for the items at `indices`, batched as `collate` made them. */
  add(outputs: Readonly<Record<string, Tensor>>, indices: readonly number[]): void;
  /** Metrics by name. */
  result(): Record<string, number>;
  /** Scores of each class, of a classifier. */
  classReport?(): ClassReport;
}

/** A task made ready for one run of training or evaluation. */
export interface TrainTask {
  readonly name: TaskName;
  /** Fields the task adds to config.json: labels, problem type. */
  readonly config: ConfigJson;
  /** The metric by which the best model is chosen; `loss` is always there and is better when lower. */
  readonly bestMetric: string;
  /** Longest sequence in tokens. */
  readonly maxLength: number;
  /** Outputs that are read in evaluation; default: all of them. */
  readonly outputs?: readonly string[] | undefined;
  evaluator(dataset: Dataset): Evaluator;
  /** Writes what a model folder has beside config.json and weights, such as a tokenizer. */
  saveFiles(folder: string): Promise<void>;
}
