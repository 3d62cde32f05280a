/** Training and evaluation data of the tasks that learn from image–text pairs. */

import type { ImageTextPair, PairOptions, PairSet } from "../data/image-text-pairs.ts";
import type { InterleavedExample } from "../data/interleaved.ts";
import { splitExamples } from "../data/labels.ts";
import type { PictureQuestion } from "../data/picture-questions.ts";
import type { BadRow } from "../data/text-file.ts";
import type { ConfigJson } from "../models/config.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { TrainTask } from "../train/task.ts";
import { ImageDecoder } from "../vision/decode.ts";
import type { PreprocessPlan } from "../vision/preprocess.ts";
import { preprocessPlan } from "../vision/preprocessor-config.ts";
import { blipPretrainingData } from "./blip-pretraining.ts";
import { captionData } from "./caption-data.ts";
import { contrastiveData } from "./contrastive-data.ts";
import { scored } from "./dataset.ts";
import { type AugmentFields, readAugmentation } from "./image-augmentation.ts";
import {
  backgroundOf,
  choosePreprocessor,
  type PreprocessorChoice,
  savePreprocessor,
} from "./image-preprocessor.ts";
import { pictureSize, setupOf } from "./image-training.ts";
import { interleavedData } from "./interleaved-data.ts";
import type { AnswerMetricOptions, PairDataRecipe, PairDataset, PairSetup } from "./pair-recipe.ts";
import { pictureQuestionData } from "./picture-question-data.ts";

/** What each task learns from. */
interface PairsByTask {
  readonly "image-text-contrastive": ImageTextPair;
  readonly "blip-pretraining": ImageTextPair;
  readonly "image-to-text": ImageTextPair;
  readonly "visual-question-answering": PictureQuestion;
  readonly "image-text-to-text": InterleavedExample;
}

/** Tasks that models are trained for on pairs of images and texts. */
export type PairTask = keyof PairsByTask;

const recipes: { readonly [T in PairTask]: PairDataRecipe<PairsByTask[T]> } = {
  "image-text-contrastive": contrastiveData,
  "blip-pretraining": blipPretrainingData,
  "image-to-text": captionData,
  "visual-question-answering": pictureQuestionData,
  "image-text-to-text": interleavedData,
};

export const pairTasks = Object.keys(recipes) as PairTask[];

export const isPairTask = (task: string): task is PairTask => task in recipes;

/** The head that a task trains. */
export const pairHeadOf = (task: PairTask): TrainTask["name"] => recipes[task].name;

/** Pairs opened for training. */
export interface PairFiles<T extends PairTask> {
  readonly train: PairSet<PairsByTask[T]>;
  /** Default: a share of the training pairs is held out. */
  readonly validation?: PairSet<PairsByTask[T]> | undefined;
  /** Most tokens of a text; default: as many as the model reads. */
  readonly maxLength?: number | undefined;
  /** Draws the share held out, captions and every change of a picture. Default 0. */
  readonly seed?: number | undefined;
}

export interface PreparedPairs {
  readonly task: TrainTask;
  readonly train: PairDataset;
  readonly validation: PairDataset;
  /** How a picture becomes what the model reads. */
  readonly plan: PreprocessPlan;
  /** Pairs of which a caption is shortened. */
  readonly truncated: number;
}

/** Share of the training pairs that is held out where there are no others to validate with. */
const validationShare = 0.1;

/** Animations are no pictures to learn from. */
const limits = { maxFrames: 1 };

/** Opens pairs for training, transparent pictures laid over the background that is chosen. */
export const openPairs = <T extends PairTask>(
  name: T,
  path: string,
  choice: PreprocessorChoice,
  options: PairOptions,
): Promise<PairSet<PairsByTask[T]>> =>
  recipeOf(name).open(path, new ImageDecoder(limits, backgroundOf(choice)), options);

const recipeOf = <T extends PairTask>(name: T): PairDataRecipe<PairsByTask[T]> => recipes[name];

/** All texts that a tokenizer is learned from. */
export const textsOfPairs = <T extends PairTask>(
  name: T,
  { pairs }: PairSet<PairsByTask[T]>,
): readonly string[] => pairs.flatMap((pair) => recipeOf(name).textsOf(pair));

/**
 * Makes training and validation data of pairs.
 * @param config of the model
 * @throws ConfigError when an option cannot be used.
 */
export async function preparePairs<T extends PairTask>(
  name: T,
  { train: read, validation: given, maxLength, seed = 0 }: PairFiles<T>,
  { config, tokenizer }: { readonly config: ConfigJson; readonly tokenizer: Tokenizer },
  { augment, ...choice }: PreprocessorChoice & { readonly augment?: AugmentFields },
): Promise<PreparedPairs> {
  const recipe = recipeOf(name);
  const { train, validation } = given
    ? { train: read.pairs, validation: given.pairs }
    : splitExamples(read.pairs, validationShare, seed);
  const size = pictureSize(config);
  const decoder = new ImageDecoder(limits, backgroundOf(choice));
  const preprocessor = await choosePreprocessor(choice, size, train, decoder);
  const plan = preprocessPlan(preprocessor);
  const setup = {
    ...setupOf(config, plan, decoder, seed),
    ...textSetup(config, tokenizer, maxLength),
  };
  const augmentation = readAugmentation(augment ?? {}, size, leastCrop);
  const trainData = recipe.datasetOf(train, { ...setup, augmentation });
  const validationData = recipe.datasetOf(validation, setup);
  const saveFiles = async (folder: string): Promise<void> => {
    await Promise.all([tokenizer.save(folder), savePreprocessor(folder, preprocessor)]);
    await recipe.finish?.(folder);
  };
  return {
    task: { ...taskOf(recipe, setup), saveFiles },
    train: trainData,
    validation: validationData,
    plan,
    truncated: trainData.truncated + validationData.truncated,
  };
}

/** As CLIP's own training, which cuts squares of 90 % and more: captions tell where things are. */
const leastCrop = 0.9;

/** Opens pairs for a trained model. @throws ConfigError when they cannot be used. */
export async function preparePairEvaluation<T extends PairTask>(
  name: T,
  path: string,
  { config, tokenizer, plan }: PairModel,
  { maxLength, ...options }: PairOptions & { readonly maxLength?: number },
): Promise<PairEvaluation> {
  const recipe = recipeOf(name);
  const decoder = new ImageDecoder(limits, plan.background);
  const { pairs, badRows } = await recipe.open(path, decoder, options);
  const setup = { ...setupOf(config, plan, decoder, 0), ...textSetup(config, tokenizer, maxLength) };
  const dataset = recipe.datasetOf(pairs, setup);
  return {
    task: { ...taskOf(recipe, setup), saveFiles: async () => undefined },
    dataset,
    answerMetrics: async (folder, options = {}) => recipe.answerMetrics?.(pairs, folder, options) ?? {},
    badRows,
    truncated: dataset.truncated,
  };
}

/** What a trained model's folder holds beside its weights. */
export interface PairModel {
  readonly config: ConfigJson;
  readonly tokenizer: Tokenizer;
  readonly plan: PreprocessPlan;
}

export interface PairEvaluation {
  readonly task: TrainTask;
  readonly dataset: PairDataset;
  /** Metrics of the model's own answers, which its outputs for the data set do not tell. */
  answerMetrics(folder: string, options?: AnswerMetricOptions): Promise<Record<string, number>>;
  readonly badRows: readonly BadRow[];
  readonly truncated: number;
}

const taskOf = (
  { name, bestMetric, outputs }: Pick<PairDataRecipe, "name" | "bestMetric" | "outputs">,
  { maxLength }: Pick<PairSetup, "maxLength">,
): Omit<TrainTask, "saveFiles"> => ({
  name,
  config: {},
  bestMetric,
  outputs,
  maxLength,
  evaluator: (dataset) => scored(dataset).evaluator(),
});

/** Texts fit the positions of the model's text tower. */
function textSetup(
  { text_config }: ConfigJson,
  tokenizer: Tokenizer,
  wanted = Number.POSITIVE_INFINITY,
): { readonly tokenizer: Tokenizer; readonly maxLength: number } {
  const { n_positions = 77, max_position_embeddings: positions = n_positions } = (text_config ?? {}) as {
    max_position_embeddings?: number;
    n_positions?: number; // GPT-2's name
  };
  return { tokenizer, maxLength: Math.min(wanted, positions) };
}
