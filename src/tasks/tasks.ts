/** Every task by name: how its training data is prepared, and how its questions are answered. */

import type { DataTask, ExamplesByTask } from "../data/examples.ts";
import { splitExamples } from "../data/labels.ts";
import { type ReadOptions, readExamples } from "../data/read-examples.ts";
import type { BadRow } from "../data/text-file.ts";
import { ConfigError } from "../errors.ts";
import type { OpenGenerator } from "../generation/open-generator.ts";
import type { ConfigJson } from "../models/config.ts";
import type { TaskName } from "../models/model.ts";
import type { OpenImageModel, OpenModel } from "../models/open.ts";
import type { OpenMatcher } from "../models/open-matcher.ts";
import type { OpenTowers } from "../models/open-towers.ts";
import type { SessionOptions } from "../runtime/session.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { TrainTask } from "../train/task.ts";
import type { BatchOptions } from "./batch-runner.ts";
import { pretrainingData } from "./bert-pretraining.ts";
import { cancellable } from "./cancellable-model.ts";
import { causalData } from "./causal-lm.ts";
import { type DataRecipe, type EncodingSetup, type ScoredDataset, trainTask } from "./dataset.ts";
import { featureAnswers } from "./feature-extraction.ts";
import { maskAnswers } from "./fill-mask.ts";
import { imageClassificationAnswers } from "./image-classification.ts";
import { imageFeatureAnswers } from "./image-feature-extraction.ts";
import type { ImageOpener } from "./image-input.ts";
import { openImagePredictor, type PictureOptions } from "./image-predictor.ts";
import { matchingAnswers, openMatchingPredictor } from "./image-text-matching.ts";
import { interleavedAnswers, openInterleavedPredictor } from "./image-text-to-text.ts";
import {
  captionAnswers,
  type OpenImageGenerator,
  openPictureTextPredictor,
  pictureQuestionAnswers,
} from "./image-to-text.ts";
import { maskedImageAnswers } from "./masked-image.ts";
import { maskedData } from "./masked-lm.ts";
import { choiceAnswers, choiceData } from "./multiple-choice.ts";
import type { OpenAnyModel } from "./open-for-task.ts";
import { maxLengthOf, Predictor } from "./predictor.ts";
import { questionAnswers, questionData } from "./question-answering.ts";
import { similarityAnswers, similarityData } from "./sentence-similarity.ts";
import { classificationAnswers, classificationData, labelKindOf } from "./text-classification.ts";
import { generationAnswers } from "./text-generation.ts";
import { taggingAnswers, taggingData } from "./token-classification.ts";
import { translationAnswers } from "./translation.ts";
import { translationData } from "./translation-data.ts";
import {
  openTowersMatching,
  openZeroShotPredictor,
  zeroShotAnswers,
} from "./zero-shot-image-classification.ts";

const recipes: { readonly [T in DataTask]: DataRecipe<ExamplesByTask[T]> } = {
  "text-classification": classificationData,
  "token-classification": taggingData,
  "question-answering": questionData,
  "sentence-similarity": similarityData,
  "masked-lm": maskedData,
  "bert-pretraining": pretrainingData,
  "causal-lm": causalData,
  "multiple-choice": choiceData,
  translation: translationData,
};

const answerTasks = {
  "text-classification": classificationAnswers,
  "token-classification": taggingAnswers,
  "question-answering": questionAnswers,
  "fill-mask": maskAnswers,
  "feature-extraction": featureAnswers,
  "sentence-similarity": similarityAnswers,
  "multiple-choice": choiceAnswers,
  "text-generation": generationAnswers,
  translation: translationAnswers,
  "image-classification": imageClassificationAnswers,
  "image-feature-extraction": imageFeatureAnswers,
  "masked-image-modeling": maskedImageAnswers,
  "zero-shot-image-classification": zeroShotAnswers,
  "image-to-text": captionAnswers,
  "visual-question-answering": pictureQuestionAnswers,
  "image-text-to-text": interleavedAnswers,
  "image-text-matching": matchingAnswers,
} as const;

/** Tasks that models can be trained for. */
export const dataTasks = Object.keys(recipes) as DataTask[];

/** Tasks that a predictor or a pipeline answers. */
export type AnswerTaskName = keyof typeof answerTasks;
export const answerTaskNames = Object.keys(answerTasks) as AnswerTaskName[];

/** The head that a data task trains: `masked-lm` trains `fill-mask`. */
export const headOf = (task: DataTask): TaskName => recipes[task].name;

/** The data task that trains and evaluates a model's head. @throws ConfigError, code unsupported, when none does. */
export function dataTaskOf(head: TaskName): DataTask {
  const found = dataTasks.find((task) => headOf(task) === head);
  if (found) return found;
  throw new ConfigError(`${head}: no data is read for this task; known are ${dataTasks.join(", ")}`, {
    code: "unsupported",
  });
}

export interface PrepareOptions extends ReadOptions {
  /** Most tokens of an item. Default 128, for questions 384; never more than tokenizer and positions allow. */
  maxLength?: number;
  /** Tokens that the model has positions for. */
  positions?: number | undefined;
  /** Draws the share held out for validation, and sentence pairs. Default 0. */
  seed?: number;
  /** Masked language models: mask all pieces of a word together. Default false. */
  wholeWordMasking?: boolean;
}

export interface TrainingFiles extends PrepareOptions {
  trainPath: string;
  /** Default: a share of the training examples is held out. */
  validationPath?: string;
  /** That share, between 0 and 1. Default 0.1. */
  validationShare?: number;
  /** Fields of a config.json whose labels are meant, such as a teacher's. Default: those of the examples. */
  labels?: ConfigJson;
}

export interface PreparedTraining<T extends DataTask = DataTask> {
  readonly task: TrainTask;
  /** Those of the training file, without what is held out. */
  readonly examples: readonly ExamplesByTask[T][];
  readonly train: ScoredDataset;
  readonly validation: ScoredDataset;
  /** Rows of both files that cannot be used. */
  readonly badRows: readonly BadRow[];
  /** Examples that were shortened to `maxLength`. */
  readonly truncated: number;
  /** Examples encoded as the training data is, or as another model reads them. */
  encode(examples: readonly ExamplesByTask[T][], reader?: TextReader): ScoredDataset;
}

/** How a model reads texts: its tokenizer, and the most tokens it takes. */
export interface TextReader {
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
}

/**
 * Reads and encodes training and validation data. Labels are those of both files unless they are given.
 * @throws ConfigError when a file cannot be used.
 */
export async function prepare<T extends DataTask>(
  task: T,
  files: TrainingFiles,
  tokenizer: Tokenizer,
): Promise<PreparedTraining<T>> {
  const recipe: DataRecipe<ExamplesByTask[T]> = recipes[task];
  const { trainPath, validationPath, validationShare = 0.1, seed = 0, labels, ...given } = files;
  const options = { ...(labels && { labelKind: labelKindOf(labels) }), ...given };
  const read = await readExamples(task, trainPath, options);
  const readValidation =
    validationPath === undefined
      ? undefined
      : await readExamples(task, validationPath, {
          ...options,
          labelKind: labelKindOf(labels ?? recipe.configOf(read.examples)),
        });
  const { train, validation } = readValidation
    ? { train: read.examples, validation: readValidation.examples }
    : (recipe.split ?? splitExamples)(read.examples, validationShare, seed);
  const config = labels ?? recipe.configOf([...train, ...validation]);
  const setup = setupOf(recipe, { ...options, seed }, tokenizer);
  const encode: PreparedTraining<T>["encode"] = (examples, reader = setup) => {
    const maxLength = Math.min(setup.maxLength, reader.maxLength);
    return recipe.datasetOf(examples, config, { ...setup, tokenizer: reader.tokenizer, maxLength });
  };
  const [trainData, validationData] = [encode(train), encode(validation)];
  return {
    task: trainTask(recipe, config, setup),
    examples: train,
    train: trainData,
    validation: validationData,
    badRows: [...read.badRows, ...(readValidation?.badRows ?? [])],
    truncated: trainData.truncated + validationData.truncated,
    encode,
  };
}

export interface PreparedEvaluation {
  readonly task: TrainTask;
  /** Metrics of the model's own answers, which its outputs for the data set do not tell. */
  answerMetrics(folder: string, options?: SessionOptions): Promise<Record<string, number>>;
  readonly dataset: ScoredDataset;
  readonly badRows: readonly BadRow[];
  readonly truncated: number;
}

/**
 * Reads and encodes a file for a trained model, whose config gives the labels.
 * @throws ConfigError when the file cannot be used or its labels are not the model's.
 */
export async function prepareEvaluation<T extends DataTask>(
  task: T,
  path: string,
  config: ConfigJson,
  tokenizer: Tokenizer,
  options: PrepareOptions = {},
): Promise<PreparedEvaluation> {
  const recipe: DataRecipe<ExamplesByTask[T]> = recipes[task];
  const { examples, badRows } = await readExamples(task, path, {
    labelKind: labelKindOf(config),
    ...options,
  });
  const wanted = setupOf(recipe, options, tokenizer);
  const setup = { ...wanted, maxLength: Math.min(wanted.maxLength, maxLengthOf(config, tokenizer, path)) };
  const dataset = recipe.datasetOf(examples, config, setup);
  return {
    task: trainTask(recipe, {}, setup),
    answerMetrics: async (folder, session = {}) => recipe.answerMetrics?.(examples, folder, session) ?? {},
    dataset,
    badRows,
    truncated: dataset.truncated,
  };
}

function setupOf(
  { defaultLength }: Pick<DataRecipe<never>, "defaultLength">,
  {
    maxLength = defaultLength,
    positions = Number.POSITIVE_INFINITY,
    seed = 0,
    wholeWordMasking,
  }: PrepareOptions,
  tokenizer: Tokenizer,
): EncodingSetup {
  const { modelMaxLength = Number.POSITIVE_INFINITY } = tokenizer;
  if (!Number.isInteger(maxLength) || maxLength < 8) {
    throw new ConfigError(`maxLength must be a whole number of tokens, at least 8, got ${maxLength}`);
  }
  return { tokenizer, maxLength: Math.min(maxLength, modelMaxLength, positions), seed, wholeWordMasking };
}

export interface PredictorOptions extends BatchOptions, PictureOptions {
  /** Default: what the model's head is for. */
  readonly task?: AnswerTaskName;
}

/** What answers questions with an open model. @throws ConfigError, code unsupported, when it is of another task. */
export function predictor(
  model: OpenAnyModel,
  { task, openImage, ...options }: PredictorOptions = {},
): Predictor {
  const { task: head } = model.architecture;
  const name = task ?? otherTasks[head] ?? head;
  if (!isAnswerTask(name)) {
    throw new ConfigError(
      `${model.folder}: ${name} has no predictor; known are ${answerTaskNames.join(", ")}`,
      {
        code: "unsupported",
      },
    );
  }
  if ("pairs" in model) return matchingPredictor(name, model, openImage);
  if ("texts" in model) return towersPredictor(name, model, { openImage, ...options });
  if ("generator" in model) return openGenerationPredictor(name, model, openImage);
  return "preprocessor" in model
    ? imagePredictor(name, model, { openImage, ...options })
    : openPredictor(name, model, options);
}

/** What models answer whose heads are trained for something else. */
const otherTasks: Readonly<Record<string, AnswerTaskName>> = {
  pretraining: "fill-mask",
  "image-text-retrieval": "image-text-matching",
};

const isAnswerTask = (name: string): name is AnswerTaskName => name in answerTasks;

function openPredictor(name: AnswerTaskName, model: OpenModel, options: BatchOptions): Predictor {
  switch (name) {
    case "text-classification":
      return Predictor.open(name, classificationAnswers, model, options);
    case "token-classification":
      return Predictor.open(name, taggingAnswers, model, options);
    case "question-answering":
      return Predictor.open(name, questionAnswers, model, options);
    case "fill-mask":
      return Predictor.open(name, maskAnswers, model, options);
    case "feature-extraction":
      return Predictor.open(name, featureAnswers, model, options);
    case "sentence-similarity":
      return Predictor.open(name, similarityAnswers, model, options);
    case "multiple-choice":
      return Predictor.open(name, choiceAnswers, model, options);
    default:
      throw wrongTask(name, model);
  }
}

function towersPredictor(name: AnswerTaskName, model: OpenTowers, options: PictureOptions): Predictor {
  if (name === "image-text-matching") return openTowersMatching(name, model, options);
  if (name !== "zero-shot-image-classification") throw wrongTask(name, model);
  return openZeroShotPredictor(name, model, options);
}

function matchingPredictor(
  name: AnswerTaskName,
  model: OpenMatcher,
  openImage: ImageOpener | undefined,
): Predictor {
  if (name !== "image-text-matching") throw wrongTask(name, model);
  return openMatchingPredictor(name, model, openImage);
}

function openGenerationPredictor(
  name: AnswerTaskName,
  model: OpenGenerator | OpenImageGenerator,
  openImage: ImageOpener | undefined,
): Predictor {
  if (name !== model.architecture.task) throw wrongTask(name, model);
  if ("preprocessor" in model) {
    if (name === "image-text-to-text") return openInterleavedPredictor(name, model, openImage);
    if (name !== "image-to-text" && name !== "visual-question-answering") throw wrongTask(name, model);
    return openPictureTextPredictor(name, model, openImage);
  }
  switch (name) {
    case "text-generation":
      return Predictor.over(name, generationAnswers, (order) => cancellable(model, order), model.generator);
    case "translation":
      return Predictor.over(name, translationAnswers, (order) => cancellable(model, order), model.generator);
    default:
      throw wrongTask(name, model);
  }
}

function imagePredictor(name: AnswerTaskName, model: OpenImageModel, options: PictureOptions): Predictor {
  switch (name) {
    case "image-classification":
      return openImagePredictor(name, imageClassificationAnswers, model, options);
    case "image-feature-extraction":
      return openImagePredictor(name, imageFeatureAnswers, model, options);
    case "masked-image-modeling":
      return openImagePredictor(name, maskedImageAnswers, model, options);
    default:
      throw wrongTask(name, model);
  }
}

const wrongTask = (
  name: string,
  { folder, architecture }: Pick<OpenModel, "folder" | "architecture">,
): ConfigError =>
  new ConfigError(
    `${folder}: ${architecture.name} is for ${architecture.task} and cannot do ${name}; give a model made for it`,
    { code: "unsupported" },
  );
