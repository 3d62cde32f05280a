/** How alike two sentences are: the cosine of their vectors. B batch, T tokens. */

import { z } from "zod";
import type { SimilarityExample } from "../data/examples.ts";
import { parseConfig } from "../models/config.ts";
import { sentencePoolings } from "../models/sentence-similarity.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padBatch } from "../text/batch.ts";
import { pearson, spearman } from "../train/metrics/correlation.ts";
import type { Evaluator } from "../train/task.ts";
import { CountingEncoder, type DataRecipe } from "./dataset.ts";
import { featureAnswers } from "./feature-extraction.ts";
import type { AnswerTask } from "./predictor.ts";

/** The scores of a data set are between these; the cosine is trained to be their place there, 0 to 1. */
const rangeSchema = z.object({ similarityRange: z.tuple([z.number(), z.number()]).default([0, 1]) });

export const similarityData: DataRecipe<SimilarityExample> = {
  name: "sentence-similarity",
  defaultLength: 128,
  outputs: ["similarity"],
  configOf(examples) {
    const scores = examples.map(({ score }) => score);
    const bounds = [Math.min, Math.max].map((bound) => scores.reduce((a, b) => bound(a, b)));
    return { similarity_range: bounds };
  },
  bestMetric: () => "spearman",
  datasetOf(examples, config, setup) {
    const { similarityRange } = parseConfig(rangeSchema, config, "sentence-similarity");
    const [low, high] = similarityRange;
    const encoder = new CountingEncoder(setup);
    const items = examples.map(({ text, textPair }) => [encoder.encode(text), encoder.encode(textPair)]);
    const scores = examples.map(({ score }) => (score - low) / (high - low || 1));
    return {
      lengths: items.map((texts) => Math.max(...texts.map(({ ids }) => ids.length))),
      truncated: encoder.truncated,
      collate(indices, length) {
        const flat = indices.flatMap((at) => items[at]!);
        const padded = padBatch(flat, { padId: setup.tokenizer.padId, length });
        const shape = [indices.length, 2, length];
        return {
          input_ids: padded.input_ids.reshape(shape),
          attention_mask: padded.attention_mask.reshape(shape),
          token_type_ids: padded.token_type_ids.reshape(shape),
          labels: Tensor.from(
            "float32",
            [indices.length],
            indices.map((at) => scores[at]!),
          ),
        };
      },
      evaluator: () => new SimilarityEvaluator(scores),
    };
  },
};

class SimilarityEvaluator implements Evaluator {
  private readonly predicted: number[] = [];
  private readonly actual: number[] = [];

  constructor(private readonly scores: readonly number[]) {}

  add({ similarity }: Readonly<Record<string, Tensor>>, indices: readonly number[]): void {
    this.predicted.push(...similarity!.toNumbers());
    this.actual.push(...indices.map((at) => this.scores[at]!));
  }

  result(): Record<string, number> {
    return {
      pearson: pearson(this.predicted, this.actual),
      spearman: spearman(this.predicted, this.actual),
    };
  }
}

export interface Similarity {
  /** Cosine, −1 to 1. */
  readonly score: number;
}

const input = z.strictObject({ text: z.string(), text_pair: z.string() });

const options = z.strictObject({
  /** How a text's tokens become one vector. Default: the config's `sentence_pooling`, or `mean`. */
  pooling: z.enum(sentencePoolings).optional(),
});

const poolingSchema = z.object({ sentencePooling: z.enum(sentencePoolings).default("mean") });

export const similarityAnswers: AnswerTask<z.infer<typeof input>, z.infer<typeof options>, Similarity> = {
  outputs: featureAnswers.outputs,
  input,
  options,
  async answer(model, { text, text_pair }, { pooling }) {
    const { sentencePooling } = parseConfig(poolingSchema, model.config, "sentence-similarity");
    const features = { pooling: pooling ?? sentencePooling, normalize: true };
    const [first, second] = await Promise.all(
      [text, text_pair].map((each) => featureAnswers.answer(model, { text: each }, features)),
    );
    return { score: first!.data.reduce((total, value, at) => total + value * second!.data[at]!, 0) };
  },
};
