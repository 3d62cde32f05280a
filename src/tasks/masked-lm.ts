/** Training data for masked language models: text in blocks, masked anew in every epoch. */

import type { DocumentExample } from "../data/examples.ts";
import { holdOutEnd } from "../data/labels.ts";
import { ConfigError } from "../errors.ts";
import { ignoredLabel } from "../nn/losses.ts";
import type { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padBatch, roundUp } from "../text/batch.ts";
import { type MaskedTokens, maskTokens } from "../text/masking.ts";
import { packBlocks } from "../text/packing.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Batch } from "../train/step.ts";
import type { Evaluator } from "../train/task.ts";
import type { EncodedText } from "./batch-runner.ts";
import type { DataRecipe, EncodingSetup, ScoredDataset } from "./dataset.ts";
import { TokenLossEvaluator, tokenLossOutputs } from "./token-loss.ts";

export const maskedData: DataRecipe<DocumentExample> = {
  name: "fill-mask",
  defaultLength: 128,
  outputs: tokenLossOutputs,
  configOf: () => ({}),
  bestMetric: () => "loss",
  split: holdOutEnd,
  datasetOf: (examples, _config, setup) =>
    maskedDataset(blocksOf(examples, setup), setup, {
      evaluator: () => new TokenLossEvaluator("masked_accuracy"),
    }),
};

/** A text that can be masked by words. */
export interface MaskableText extends EncodedText {
  readonly wordIds: readonly (number | null)[];
}

/**
 * Documents one after the other, a [SEP] behind each, cut into blocks of `maxLength` tokens with the special tokens that
 * any text gets: BERT's `[CLS] … [SEP]`, XLNet's `… <sep> <cls>`.
 */
function blocksOf(
  documents: readonly DocumentExample[],
  { tokenizer, maxLength }: EncodingSetup,
): MaskableText[] {
  const { before, after } = frameOf(tokenizer);
  const size = maxLength - before.ids.length - after.ids.length;
  const texts = documents.map(({ sentences }) => sentences);
  return packBlocks(texts, tokenizer, { size, separatorId: tokenizer.sepId }).map((block) => ({
    ids: [...before.ids, ...block.ids, ...after.ids],
    wordIds: [...before.ids.map(() => null), ...block.wordIds, ...after.ids.map(() => null)],
    typeIds: [...before.typeIds, ...block.ids.map(() => 0), ...after.typeIds],
  }));
}

/** The special tokens before and after a text. */
function frameOf(tokenizer: Tokenizer): { before: EncodedText; after: EncodedText } {
  const { ids, typeIds, specialTokensMask } = tokenizer.encode("a");
  const part = (from: number, to?: number): EncodedText => ({
    ids: ids.slice(from, to),
    typeIds: typeIds.slice(from, to),
  });
  return { before: part(0, specialTokensMask.indexOf(0)), after: part(specialTokensMask.lastIndexOf(0) + 1) };
}

interface MaskedDatasetParts {
  /** Labels of whole texts, by input name. */
  readonly labels?: (indices: readonly number[]) => Batch;
  readonly evaluator: () => Evaluator;
}

/**
 * A data set whose texts are masked by the random numbers of each batch: `labels` [B, T] and `masked_positions` [N].
 * @throws ConfigError when the tokenizer has no mask token.
 */
export function maskedDataset(
  items: readonly MaskableText[],
  { tokenizer, wholeWordMasking }: EncodingSetup,
  { labels, evaluator }: MaskedDatasetParts,
): ScoredDataset {
  const mask = masker(tokenizer, wholeWordMasking);
  return {
    lengths: items.map(({ ids }) => ids.length),
    truncated: 0, // blocks are cut to fit, and pairs exceed the length by design
    evaluator,
    collate(indices, length, random) {
      const texts = indices.map((at) => items[at]!);
      const masked = texts.map((text) => mask(text, random));
      const encoded = texts.map(({ typeIds }, row) => ({ ids: masked[row]!.inputIds, typeIds }));
      const inputs = padBatch(encoded, { padId: tokenizer.padId, length });
      return { ...inputs, ...maskLabels(masked, length), ...labels?.(indices) };
    },
  };
}

function masker(
  { maskId, vocabSize, clsId, sepId }: Tokenizer,
  byWords = false,
): (text: MaskableText, random: Random) => MaskedTokens {
  if (maskId === undefined) {
    throw new ConfigError(
      "masked language modelling: the tokenizer has no mask token; name it in its config",
    );
  }
  return ({ ids, wordIds }, random) => {
    const specialMask = ids.map((id) => id === clsId || id === sepId);
    return maskTokens(ids, { random, maskId, vocabSize, specialMask, ...(byWords && { wordIds }) });
  };
}

/**
 * Labels [B, T], and where they are among the B·T tokens. The positions' number is rounded up to a multiple of the rows,
 * so that few graphs are compiled; what is added points at a token without a label.
 */
function maskLabels(masked: readonly MaskedTokens[], length: number): Batch {
  const rows = masked.length;
  const labels = new BigInt64Array(rows * length).fill(BigInt(ignoredLabel));
  const positions: number[] = [];
  for (const [row, { labels: own }] of masked.entries()) {
    for (const [column, label] of own.entries()) {
      if (label === ignoredLabel) continue;
      labels[row * length + column] = BigInt(label);
      positions.push(row * length + column);
    }
  }
  const missing = roundUp(Math.max(1, positions.length), rows) - positions.length;
  positions.push(...new Array<number>(missing).fill(labels.indexOf(BigInt(ignoredLabel))));
  return {
    labels: new Tensor("int64", [rows, length], labels),
    masked_positions: Tensor.from("int64", [positions.length], positions),
  };
}
