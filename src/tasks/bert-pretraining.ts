/** Training data as BERT was pretrained on: masked pairs of which the second part may or may not follow the first. */

import type { DocumentExample } from "../data/examples.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sentencePairs } from "../text/sentence-pairs.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { accuracy } from "../train/metrics/classification.ts";
import type { Evaluator } from "../train/task.ts";
import type { DataRecipe } from "./dataset.ts";
import { maskedDataset } from "./masked-lm.ts";
import { argmax, rowAt } from "./scores.ts";
import { TokenCounts, tokenLossOutputs } from "./token-loss.ts";

/** Pairs are drawn once, by the seed; masks are drawn anew in every epoch. */
export const pretrainingData: DataRecipe<DocumentExample> = {
  name: "pretraining",
  defaultLength: 128,
  outputs: [...tokenLossOutputs, "seq_relationship_logits"],
  configOf: () => ({}),
  bestMetric: () => "loss",
  datasetOf(examples, _config, setup) {
    const { tokenizer, maxLength, seed } = setup;
    const pairs = sentencePairs(
      examples.map(({ sentences }) => sentences),
      { random: new Random(seed).fork("sentence pairs"), lengthOf: tokenCounter(tokenizer), maxLength },
    );
    const items = pairs.map(({ first, second }) => {
      const { ids, typeIds, wordIds } = tokenizer.encode(first, second, { maxLength });
      return { ids, typeIds, wordIds };
    });
    const next = pairs.map(({ label }) => label);
    return maskedDataset(items, setup, {
      labels: (indices) => ({
        next_sentence_label: Tensor.from(
          "int64",
          [indices.length],
          indices.map((at) => next[at]!),
        ),
      }),
      evaluator: () => new PretrainingEvaluator(next),
    });
  },
};

/** Counts tokens, each sentence once. */
function tokenCounter(tokenizer: Tokenizer): (text: string) => number {
  const known = new Map<string, number>();
  return (text) => {
    const count = known.get(text) ?? tokenizer.encode(text, undefined, { addSpecialTokens: false }).length;
    known.set(text, count);
    return count;
  };
}

class PretrainingEvaluator implements Evaluator {
  private readonly masked = new TokenCounts();
  private readonly predicted: number[] = [];
  private readonly actual: number[] = [];

  constructor(private readonly next: readonly number[]) {}

  add(outputs: Readonly<Record<string, Tensor>>, indices: readonly number[]): void {
    this.masked.add(outputs);
    for (const [row, at] of indices.entries()) {
      this.predicted.push(argmax(rowAt(outputs.seq_relationship_logits!, row)));
      this.actual.push(this.next[at]!);
    }
  }

  result(): Record<string, number> {
    return {
      masked_accuracy: this.masked.accuracy,
      next_sentence_accuracy: accuracy(this.predicted, this.actual),
    };
  }
}
