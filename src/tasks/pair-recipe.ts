/** What every preparation of image–text pairs is made of. */

import type { ImageTextPair, PairOptions, PairSet } from "../data/image-text-pairs.ts";
import type { ImageExample } from "../data/images.ts";
import type { TaskName } from "../models/model.ts";
import type { SessionOptions } from "../runtime/session.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { ImageDecoder } from "../vision/decode.ts";
import type { ImageDataset } from "./image-dataset.ts";
import type { ImageSetup } from "./image-recipe.ts";

/** What pairs are prepared with. */
export interface PairSetup extends ImageSetup {
  readonly tokenizer: Tokenizer;
  /** Most tokens of a text. */
  readonly maxLength: number;
}

/**
 * A data set of pairs; `truncated` of them have a text that was shortened. Batches are made of any pairs, or where it
 * gives `targetLengths` of pairs whose texts are about as long.
 */
export interface PairDataset extends ImageDataset {
  readonly truncated: number;
}

export interface AnswerMetricOptions {
  readonly session?: SessionOptions | undefined;
  /** Zero-shot classification: texts for each label, `{}` being the label. */
  readonly template?: readonly string[] | undefined;
}

/** How a task makes training data of pairs. Without `augmentation` in its setup a data set is for evaluation. */
export interface PairDataRecipe<Pair extends ImageExample = ImageTextPair> {
  /** The head that is trained. */
  readonly name: TaskName;
  readonly bestMetric: string;
  /** Outputs that its evaluator reads. */
  readonly outputs: readonly string[];
  /** Reads what it learns from. @throws ConfigError (code `data`) when that cannot be used. */
  open(path: string, decoder: ImageDecoder, options: PairOptions): Promise<PairSet<Pair>>;
  /** What a tokenizer is learned from. */
  textsOf(pair: Pair): readonly string[];
  datasetOf(pairs: readonly Pair[], setup: PairSetup): PairDataset;
  /** Metrics of what the model of a folder answers, where its outputs for the data do not tell them. */
  answerMetrics?(
    pairs: readonly Pair[],
    folder: string,
    options: AnswerMetricOptions,
  ): Promise<Record<string, number>>;
  /** Gives the folder of a trained model the form in which it is used, where that is another. */
  finish?(folder: string): Promise<void>;
}
