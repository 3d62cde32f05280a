/** Examples of a data set as a model is fed them: for ranges, golden inputs and timing. */

import { ConfigError } from "../errors.ts";
import type { ValueInfo } from "../runtime/session.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Batch } from "../train/step.ts";
import type { Dataset } from "../train/task.ts";

/** Batches of these examples, each padded to its longest. */
export function batchesOf(dataset: Dataset, groups: readonly (readonly number[])[]): Promise<Batch[]> {
  const collate = (indices: readonly number[]): Batch | Promise<Batch> =>
    dataset.collate(indices, Math.max(...indices.map((at) => dataset.lengths[at]!)), new Random(0), 0);
  return Promise.all(groups.map(collate));
}

/** Up to `count` examples drawn with a seed, in batches of one. @throws ConfigError for a data set without examples. */
export function sampleBatches(dataset: Dataset, count: number): Promise<Batch[]> {
  const { length } = dataset.lengths;
  if (length === 0) throw new ConfigError("quantize: the data has no usable example");
  const order = Array.from({ length }, (_, at) => at);
  const random = new Random(0);
  const drawn = Array.from(
    { length: Math.min(count, length) },
    () => order.splice(random.integer(order.length), 1)[0]!,
  );
  return batchesOf(
    dataset,
    drawn.map((at) => [at]),
  );
}

/** Batches that differ in length and rows: the shortest example, two of middle length, and the longest with the shortest. */
export function goldenBatches(dataset: Dataset): Promise<Batch[]> {
  const byLength = dataset.lengths
    .map((_, at) => at)
    .sort((a, b) => dataset.lengths[a]! - dataset.lengths[b]!);
  if (byLength.length === 0) throw new ConfigError("quantize: the data has no usable example");
  const [shortest, middle, longest] = [0, byLength.length >> 1, byLength.length - 1].map(
    (at) => byLength[at]!,
  );
  const besideMiddle = byLength[Math.max(0, (byLength.length >> 1) - 1)]!;
  return batchesOf(dataset, [[shortest!], [middle!, besideMiddle], [longest!, shortest!]]);
}

/** What a model takes of a batch. A mask that the batch lacks is all ones, segments are zeros, a decoder reads the labels. */
export function feedsFor(inputs: readonly ValueInfo[], batch: Batch): Record<string, Tensor> {
  return Object.fromEntries(inputs.map(({ name }) => [name, batch[name] ?? absentInput(name, batch)]));
}

function absentInput(name: string, batch: Batch): Tensor {
  const { labels } = batch;
  if (name === "decoder_input_ids" && labels) return labelsAsIds(labels);
  const like = name.startsWith("decoder_") ? (batch.decoder_input_ids ?? labels) : batch.input_ids;
  const value = name.endsWith("attention_mask") ? 1 : name === "token_type_ids" ? 0 : undefined;
  if (!like || value === undefined)
    throw new ConfigError(`quantize: the data gives no "${name}", which the model needs`);
  return Tensor.from("int64", like.shape, Array<number>(like.size).fill(value));
}

/** Labels of tokens, where −100 asks for none, as ids. */
const labelsAsIds = (labels: Tensor): Tensor =>
  Tensor.from(
    "int64",
    labels.shape,
    labels.toNumbers().map((id) => Math.max(0, id)),
  );
