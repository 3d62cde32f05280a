/** The best of several endings of a text. B batch, N choices, T tokens. */

import { z } from "zod";
import type { ChoiceExample } from "../data/examples.ts";
import { ConfigError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padBatch } from "../text/batch.ts";
import { accuracy } from "../train/metrics/classification.ts";
import { CountingEncoder, type DataRecipe, rowEvaluator } from "./dataset.ts";
import type { AnswerTask } from "./predictor.ts";
import { argmax, softmax, topIndices } from "./scores.ts";

export const choiceData: DataRecipe<ChoiceExample> = {
  name: "multiple-choice",
  defaultLength: 128,
  configOf: () => ({}),
  bestMetric: () => "accuracy",
  datasetOf(examples, _config, setup) {
    const count = choiceCount(examples);
    const encoder = new CountingEncoder(setup);
    const items = examples.map(({ prompt, choices }) =>
      choices.map((choice) => encoder.encode(prompt, choice)),
    );
    const labels = examples.map(({ label }) => label);
    return {
      lengths: items.map((choices) => Math.max(...choices.map(({ ids }) => ids.length))),
      truncated: encoder.truncated,
      collate(indices, length) {
        const flat = indices.flatMap((at) => items[at]!);
        const padded = padBatch(flat, { padId: setup.tokenizer.padId, length });
        const shape = [indices.length, count, length];
        return {
          input_ids: padded.input_ids.reshape(shape),
          attention_mask: padded.attention_mask.reshape(shape),
          token_type_ids: padded.token_type_ids.reshape(shape),
          labels: Tensor.from(
            "int64",
            [indices.length],
            indices.map((at) => labels[at]!),
          ),
        };
      },
      evaluator: () =>
        rowEvaluator(labels, argmax, (predicted, actual) => ({ accuracy: accuracy(predicted, actual) })),
    };
  },
};

/** The number of choices that all examples have, since they share batches. @throws ConfigError when they differ. */
function choiceCount(examples: readonly ChoiceExample[]): number {
  const counts = [...new Set(examples.map(({ choices }) => choices.length))];
  if (counts.length === 1) return counts[0]!;
  throw new ConfigError(
    `multiple-choice: all examples must have the same number of choices, got ${counts.sort((a, b) => a - b).join(", ")}`,
    { code: "data" },
  );
}

export interface ScoredChoice {
  readonly index: number; // in the list as it was given
  readonly choice: string;
  readonly score: number; // probability among the choices
}

const input = z.strictObject({ prompt: z.string(), choices: z.array(z.string()).min(2) });
const options = z.strictObject({
  /** Choices that are named, best first; null: all. Default null. */
  top_k: z.int().min(1).nullable().default(null),
});

export const choiceAnswers: AnswerTask<z.infer<typeof input>, z.infer<typeof options>, ScoredChoice[]> = {
  outputs: () => [["logits"]],
  input,
  options,
  async answer({ tokenizer, maxLength, run }, { prompt, choices }, { top_k }) {
    const outputs = await Promise.all(
      choices.map((choice) => run(tokenizer.encode(prompt, choice, { maxLength }))),
    );
    const scores = softmax(outputs.map(([logits]) => Number(logits!.data[0])));
    return topIndices(scores, top_k ?? scores.length).map((index) => ({
      index,
      choice: choices[index]!,
      score: scores[index]!,
    }));
  },
};
