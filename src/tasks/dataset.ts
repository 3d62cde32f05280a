/** Data sets of encoded texts, and what every task's preparation is made of. */

import { ConfigError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import type { TaskName } from "../models/model.ts";
import type { SessionOptions } from "../runtime/session.ts";
import type { Random } from "../tensor/random.ts";
import { type PaddedBatch, padBatch } from "../text/batch.ts";
import type { Encoding } from "../text/encoding.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { ClassReport } from "../train/metrics/class-report.ts";
import type { Batch } from "../train/step.ts";
import type { Dataset, Evaluator, TrainTask } from "../train/task.ts";
import type { EncodedText } from "./batch-runner.ts";
import { rowAt } from "./scores.ts";

/** A data set that can score a model's outputs on it. */
export interface ScoredDataset extends Dataset {
  /** Examples that were shortened to the longest length allowed. */
  readonly truncated: number;
  collate(indices: readonly number[], length: number, random: Random): Batch;
  evaluator(): Evaluator;
}

/** What examples are encoded with. */
export interface EncodingSetup {
  readonly tokenizer: Tokenizer;
  /** Most tokens of an item. */
  readonly maxLength: number;
  /** Draws what is drawn once, such as sentence pairs; what differs between epochs is drawn in `collate`. */
  readonly seed: number;
  /** Masked language models: mask all pieces of a word together. Default false. */
  readonly wholeWordMasking?: boolean | undefined;
}

interface Split<Example> {
  readonly train: readonly Example[];
  readonly validation: readonly Example[];
}

/** How a task makes training data of examples. */
export interface DataRecipe<Example> {
  /** The head that is trained. */
  readonly name: TaskName;
  /** Longest items where no length is asked for, in tokens. */
  readonly defaultLength: number;
  /** Fields that the examples add to config.json. @throws ConfigError when they are of no use. */
  configOf(examples: readonly Example[]): ConfigJson;
  bestMetric(config: ConfigJson): string;
  /** Outputs beside `loss` that its evaluator reads; default: all of them. */
  readonly outputs?: readonly string[];
  /** Takes a share out for validation; default: examples drawn by the seed. */
  split?(examples: readonly Example[], share: number, seed: number): Split<Example>;
  /** Metrics of the answers of a model folder, where its outputs for the data do not tell them. */
  answerMetrics?(
    examples: readonly Example[],
    folder: string,
    options: SessionOptions,
  ): Promise<Record<string, number>>;
  /** @throws ConfigError for examples that the config's labels do not fit. */
  datasetOf(examples: readonly Example[], config: ConfigJson, setup: EncodingSetup): ScoredDataset;
}

interface DatasetParts {
  readonly padId: number;
  readonly truncated: number;
  /** Labels of a batch by input name, and inputs that differ from the encoded ones. */
  labels(indices: readonly number[], inputs: PaddedBatch, random: Random): Batch;
  evaluator(): Evaluator;
}

/** A data set whose items are texts; the labels are the caller's. */
export function encodedDataset(items: readonly EncodedText[], parts: DatasetParts): ScoredDataset {
  const { padId, truncated, labels, evaluator } = parts;
  return {
    lengths: items.map(({ ids }) => ids.length),
    truncated,
    evaluator,
    collate(indices, length, random) {
      const inputs = padBatch(
        indices.map((at) => items[at]!),
        { padId, length },
      );
      return { ...inputs, ...labels(indices, inputs, random) };
    },
  };
}

/** Encodes within a length and counts what had to be shortened. */
export class CountingEncoder {
  truncated = 0;

  constructor(private readonly setup: EncodingSetup) {}

  /** The ids and segments of a text or a pair, of at most `maxLength` tokens. */
  encode(text: string, pair?: string): EncodedText {
    return plain(this.fit((options) => this.setup.tokenizer.encode(text, pair, options)));
  }

  /** A translation, in the target language of a tokenizer that knows two. */
  encodeTarget(text: string): EncodedText {
    return plain(this.fit((options) => this.setup.tokenizer.encodeTarget(text, options)));
  }

  encodeWords(words: readonly string[]): Encoding {
    return this.fit((options) => this.setup.tokenizer.encodeWords(words, options));
  }

  private fit(encode: (options: { maxLength?: number }) => Encoding): Encoding {
    const { maxLength } = this.setup;
    const whole = encode({});
    if (whole.length <= maxLength) return whole;
    this.truncated++;
    return encode({ maxLength });
  }
}

/** Only what a batch is made of, so that the text's tokens need not be kept. */
export const plain = ({ ids, typeIds }: EncodedText): EncodedText => ({ ids, typeIds });

/** The trainer's view of a task. */
export function trainTask(
  { name, bestMetric, outputs }: Pick<DataRecipe<never>, "name" | "bestMetric" | "outputs">,
  config: ConfigJson,
  { maxLength, tokenizer }: EncodingSetup,
): TrainTask {
  return {
    name,
    config,
    bestMetric: bestMetric(config),
    maxLength,
    outputs: outputs && ["loss", ...outputs],
    evaluator: (dataset) => scored(dataset).evaluator(),
    saveFiles: (folder) => tokenizer.save(folder),
  };
}

/** @throws ConfigError for a data set that no task of ours prepared. */
export function scored(dataset: Dataset): Pick<ScoredDataset, "evaluator"> {
  if ("evaluator" in dataset) return dataset as ScoredDataset;
  throw new ConfigError("evaluator: expected a data set that this task prepared");
}

/** Reads a prediction from each row of `logits` and scores those it has seen against the truth. */
export function rowEvaluator<T>(
  truth: readonly T[],
  read: (row: number[]) => T,
  score: (predicted: T[], actual: T[]) => Record<string, number>,
  classReport?: (predicted: T[], actual: T[]) => ClassReport,
): Evaluator {
  const predicted: T[] = [];
  const actual: T[] = [];
  return {
    add({ logits }, indices) {
      for (const [row, at] of indices.entries()) {
        predicted.push(read(rowAt(logits!, row)));
        actual.push(truth[at]!);
      }
    },
    result: () => score(predicted, actual),
    ...(classReport && { classReport: () => classReport(predicted, actual) }),
  };
}
