/** Training data for causal language models: text in full blocks, every token predicted from those before it. */

import type { DocumentExample } from "../data/examples.ts";
import { holdOutEnd } from "../data/labels.ts";
import { ignoredLabel } from "../nn/losses.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padBatch } from "../text/batch.ts";
import { packBlocks } from "../text/packing.ts";
import type { DataRecipe } from "./dataset.ts";
import { TokenLossEvaluator, tokenLossOutputs } from "./token-loss.ts";

/** Documents one after the other, each closed by the tokenizer's end token where it has one. */
export const causalData: DataRecipe<DocumentExample> = {
  name: "text-generation",
  defaultLength: 256,
  outputs: tokenLossOutputs,
  configOf: () => ({}),
  bestMetric: () => "loss",
  split: holdOutEnd,
  datasetOf(examples, _config, { tokenizer, maxLength }) {
    const texts = examples.map(({ sentences }) => sentences);
    const blocks = packBlocks(texts, tokenizer, { size: maxLength, separatorId: tokenizer.eosId });
    const items = blocks.map(({ ids }) => ({ ids, typeIds: ids.map(() => 0) }));
    return {
      lengths: items.map(({ ids }) => ids.length),
      truncated: 0, // blocks are cut to fit
      evaluator: () => new TokenLossEvaluator("accuracy"),
      // Segments are not fed: GPT-2 would add them to the word vectors. The model itself shifts the labels.
      collate(indices, length) {
        const encoded = indices.map((at) => items[at]!);
        const { input_ids, attention_mask } = padBatch(encoded, { padId: tokenizer.padId, length });
        return { input_ids, attention_mask, labels: labelsOf(input_ids, attention_mask) };
      },
    };
  },
};

/** The ids themselves, padding left out. */
const labelsOf = ({ shape, data: ids }: Tensor, { data: mask }: Tensor): Tensor =>
  new Tensor(
    "int64",
    shape,
    BigInt64Array.from(ids as BigInt64Array, (id, at) => (mask[at] ? id : BigInt(ignoredLabel))),
  );
