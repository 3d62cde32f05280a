/** Training data as BERT was pretrained on: masked pairs of which the second part may or may not follow the first. */

import type { DocumentExample } from "../data/examples.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sentencePairs } from "../text/sentence-pairs.ts";
import { accuracy } from "../train/metrics/classification.ts";
import type { Evaluator } from "../train/task.ts";
import { CountingEncoder, type DataRecipe, encodedDataset } from "./dataset.ts";
import { maskBatch } from "./masked-lm.ts";
import { argmax, rowAt } from "./scores.ts";

/** Pairs are drawn once, by the seed; masks are drawn anew in every epoch. */
export const pretrainingData: DataRecipe<DocumentExample> = {
  name: "pretraining",
  defaultLength: 128,
  configOf: () => ({}),
  bestMetric: () => "loss",
  datasetOf(examples, _config, setup) {
    const { tokenizer, maxLength, seed } = setup;
    const pairs = sentencePairs(
      examples.map(({ sentences }) => sentences),
      { random: new Random(seed).fork("sentence pairs"), lengthOf: tokenCounter(setup), maxLength },
    );
    const encoder = new CountingEncoder(setup);
    const items = pairs.map(({ first, second }) => encoder.encode(first, second));
    const next = pairs.map(({ label }) => label);
    return encodedDataset(items, {
      padId: tokenizer.padId,
      truncated: 0, // the last sentence of a pair exceeds it by design
      labels: (indices, inputs, random) => ({
        ...maskBatch(inputs, tokenizer, random),
        next_sentence_label: Tensor.from(
          "int64",
          [indices.length],
          indices.map((at) => next[at]!),
        ),
      }),
      evaluator: () => new NextSentenceEvaluator(next),
    });
  },
};

/** Counts tokens, each sentence once. */
function tokenCounter({
  tokenizer,
}: Parameters<typeof pretrainingData.datasetOf>[2]): (text: string) => number {
  const known = new Map<string, number>();
  return (text) => {
    const count = known.get(text) ?? tokenizer.encode(text, undefined, { addSpecialTokens: false }).length;
    known.set(text, count);
    return count;
  };
}

class NextSentenceEvaluator implements Evaluator {
  private readonly predicted: number[] = [];
  private readonly actual: number[] = [];

  constructor(private readonly next: readonly number[]) {}

  add(
    { seq_relationship_logits: logits }: Readonly<Record<string, Tensor>>,
    indices: readonly number[],
  ): void {
    for (const [row, at] of indices.entries()) {
      this.predicted.push(argmax(rowAt(logits!, row)));
      this.actual.push(this.next[at]!);
    }
  }

  result(): Record<string, number> {
    return { next_sentence_accuracy: accuracy(this.predicted, this.actual) };
  }
}
