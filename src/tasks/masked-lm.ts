/** Training data for masked language models: text in blocks, masked anew in every epoch. */

import type { TextExample } from "../data/examples.ts";
import { ConfigError } from "../errors.ts";
import type { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { PaddedBatch } from "../text/batch.ts";
import { maskTokens } from "../text/masking.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { perplexity } from "../train/metrics/perplexity.ts";
import type { Batch } from "../train/step.ts";
import type { Evaluator } from "../train/task.ts";
import type { EncodedText } from "./batch-runner.ts";
import { type DataRecipe, encodedDataset } from "./dataset.ts";

export const maskedData: DataRecipe<TextExample> = {
  name: "fill-mask",
  defaultLength: 128,
  configOf: () => ({}),
  bestMetric: () => "loss",
  datasetOf(examples, _config, { tokenizer, maxLength }) {
    return encodedDataset(blocksOf(examples, tokenizer, maxLength), {
      padId: tokenizer.padId,
      truncated: 0,
      labels: (_indices, inputs, random) => maskBatch(inputs, tokenizer, random),
      evaluator: () => new LossEvaluator(),
    });
  },
};

/** The texts one after the other, cut into blocks `[CLS] … [SEP]` of `maxLength` tokens. */
function blocksOf(examples: readonly TextExample[], tokenizer: Tokenizer, maxLength: number): EncodedText[] {
  const { clsId, sepId } = tokenizer;
  const [before, after] = [clsId, sepId].map((id) => (id === undefined ? [] : [id])) as [number[], number[]];
  const room = maxLength - before.length - after.length;
  if (room < 1) throw new ConfigError(`masked-lm: maxLength must leave room for text, got ${maxLength}`);
  const blocks: number[][] = [[]];
  for (const { text } of examples) {
    for (const id of tokenizer.encode(text, undefined, { addSpecialTokens: false }).ids) {
      if (blocks.at(-1)!.length === room) blocks.push([]);
      blocks.at(-1)!.push(id);
    }
  }
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => {
      const ids = [...before, ...block, ...after];
      return { ids, typeIds: ids.map(() => 0) };
    });
}

/**
 * Masked `input_ids` and the `labels` to predict, both int64 [B, T].
 * @throws ConfigError when the tokenizer has no mask token.
 */
export function maskBatch(inputs: PaddedBatch, tokenizer: Tokenizer, random: Random): Batch {
  const { maskId, vocabSize, clsId, sepId } = tokenizer;
  if (maskId === undefined) {
    throw new ConfigError(
      "masked language modelling: the tokenizer has no mask token; name it in its config",
    );
  }
  const { shape } = inputs.input_ids;
  const [rows, length] = shape as [number, number];
  const [inputIds, labels] = [new BigInt64Array(rows * length), new BigInt64Array(rows * length)];
  const allIds = inputs.input_ids.toNumbers();
  const attended = inputs.attention_mask.toNumbers();
  for (let start = 0; start < allIds.length; start += length) {
    const ids = allIds.slice(start, start + length);
    const specialMask = ids.map((id, at) => !attended[start + at] || id === clsId || id === sepId);
    const masked = maskTokens(ids, { random, maskId, vocabSize, specialMask });
    inputIds.set(masked.inputIds.map(BigInt), start);
    labels.set(masked.labels.map(BigInt), start);
  }
  return { input_ids: new Tensor("int64", shape, inputIds), labels: new Tensor("int64", shape, labels) };
}

/** Perplexity of the mean loss. */
class LossEvaluator implements Evaluator {
  private total = 0;
  private count = 0;

  add({ loss }: Readonly<Record<string, Tensor>>, indices: readonly number[]): void {
    this.total += Number(loss!.data[0]) * indices.length;
    this.count += indices.length;
  }

  result(): Record<string, number> {
    return { perplexity: perplexity(this.total / this.count) };
  }
}
