/** Training and evaluation data of the image tasks. */

import type { ImageTableOptions } from "../data/image-table.ts";
import { type ImageSet, openImages } from "../data/images.ts";
import { splitExamples } from "../data/labels.ts";
import { showBadRow } from "../data/read-examples.ts";
import type { BadRow } from "../data/text-file.ts";
import { ConfigError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import { architectureOf } from "../models/registry.ts";
import type { TrainTask } from "../train/task.ts";
import { ImageDecoder } from "../vision/decode.ts";
import type { Size } from "../vision/image.ts";
import { ImagePreprocessor, type PreprocessPlan } from "../vision/preprocess.ts";
import { preprocessPlan } from "../vision/preprocessor-config.ts";
import { scored } from "./dataset.ts";
import { type AugmentFields, readAugmentation } from "./image-augmentation.ts";
import { imageClassificationData } from "./image-classification-data.ts";
import type { ImageDataset } from "./image-dataset.ts";
import {
  backgroundOf,
  choosePreprocessor,
  isOfSize,
  type PreprocessorChoice,
  savePreprocessor,
} from "./image-preprocessor.ts";
import type { ImageDataRecipe, ImageSetup } from "./image-recipe.ts";
import { maskedImageData } from "./masked-image-data.ts";

const recipes = {
  "image-classification": imageClassificationData,
  "masked-image-modeling": maskedImageData,
} as const satisfies Record<string, ImageDataRecipe>;

/** Tasks that models of pictures can be trained for. Their heads have the same names. */
export type ImageTask = keyof typeof recipes;
export const imageTasks = Object.keys(recipes) as ImageTask[];

export const isImageTask = (task: string): task is ImageTask => task in recipes;

interface ReadImageOptions extends ImageTableOptions {
  /** Stop at the first bad row instead of leaving it out. Default false. */
  readonly strict?: boolean;
}

export interface ImageFiles extends ReadImageOptions {
  readonly trainPath: string;
  /** Default: a share of the training pictures is held out. */
  readonly validationPath?: string;
  /** Share of the training pictures that is used, above 0, drawn by the seed. Default 1. */
  readonly trainShare?: number;
  /** Draws the shares and every change of a picture. Default 0. */
  readonly seed?: number;
  /** Fields of a config.json whose labels are meant, such as a teacher's. Default: those of the pictures. */
  readonly labels?: ConfigJson;
}

export interface PreparedImages {
  readonly task: TrainTask;
  readonly train: ImageDataset;
  readonly validation: ImageDataset;
  /** How a picture becomes what the model reads. */
  readonly plan: PreprocessPlan;
  /** Rows of both sets that cannot be used. */
  readonly badRows: readonly BadRow[];
}

/** Share of the training pictures that is held out where there are no others to validate with. */
const validationShare = 0.1;

/**
 * Opens training and validation pictures for a model. Labels are those of both sets.
 * @param config of the model, its labels aside
 * @throws ConfigError when the data or an option cannot be used.
 */
export async function prepareImages(
  name: ImageTask,
  { trainPath, validationPath, trainShare = 1, seed = 0, labels, ...options }: ImageFiles,
  config: ConfigJson,
  { augment, ...choice }: PreprocessorChoice & { readonly augment?: AugmentFields },
): Promise<PreparedImages> {
  const recipe: ImageDataRecipe = recipes[name];
  const read = await readImages(trainPath, options);
  const given = validationPath === undefined ? undefined : await readImages(validationPath, options);
  const { train: all, validation } = given
    ? { train: read.examples, validation: given.examples }
    : splitExamples(read.examples, validationShare, seed);
  const train = trainShare === 1 ? all : splitExamples(all, trainShare, seed).validation;
  const fields = labels ?? recipe.configOf([...train, ...validation]);
  const size = pictureSize(config);
  const decoder = new ImageDecoder({}, backgroundOf(choice));
  const preprocessor = await choosePreprocessor(choice, size, train, decoder);
  const plan = preprocessPlan(preprocessor);
  const setup = setupOf({ ...config, ...fields }, plan, decoder, seed);
  const augmentation = readAugmentation(augment ?? {}, size, recipe.leastCrop);
  return {
    task: {
      ...taskOf(recipe),
      config: fields,
      saveFiles: (folder) => savePreprocessor(folder, preprocessor),
    },
    train: recipe.datasetOf(train, { ...setup, augmentation }),
    validation: recipe.datasetOf(validation, setup),
    plan,
    badRows: [...read.badRows, ...(given?.badRows ?? [])],
  };
}

/** Opens pictures for a trained model, whose config gives the labels. @throws ConfigError when they cannot be used. */
export async function prepareImageEvaluation(
  name: ImageTask,
  path: string,
  config: ConfigJson,
  plan: PreprocessPlan,
  options: ReadImageOptions = {},
): Promise<Omit<PreparedImages, "train" | "validation" | "plan"> & { readonly dataset: ImageDataset }> {
  const recipe: ImageDataRecipe = recipes[name];
  const { examples, badRows } = await readImages(path, options);
  const dataset = recipe.datasetOf(examples, setupOf(config, plan, new ImageDecoder({}, plan.background), 0));
  return { task: { ...taskOf(recipe), config: {}, saveFiles: async () => undefined }, dataset, badRows };
}

const taskOf = ({ name, bestMetric, outputs }: ImageDataRecipe): Omit<TrainTask, "config" | "saveFiles"> => ({
  name,
  bestMetric,
  outputs,
  maxLength: 1,
  evaluator: (dataset) => scored(dataset).evaluator(),
});

async function readImages(path: string, { strict, ...options }: ReadImageOptions): Promise<ImageSet> {
  const set = await openImages(path, options);
  const [first] = set.badRows;
  if (first && strict) throw new ConfigError(showBadRow(first), { code: "data" });
  return set;
}

/** Pixels of the pictures that a model reads. @throws ConfigError for a model that does not read colours. */
export function pictureSize(config: ConfigJson): Size {
  const { name, inputs } = architectureOf(config);
  const axes = inputs(config).find((input) => input.name === "pixel_values")?.axes ?? [];
  const [channels, height, width] = axes.slice(-3);
  if (typeof height !== "number" || typeof width !== "number")
    throw new ConfigError(`${name}: does not read pictures`, { code: "unsupported" });
  if (channels === 3) return { height, width };
  throw new ConfigError(`${name}: num_channels must be 3, since pictures are read as RGB; got ${channels}`);
}

/** @throws ConfigError for a plan that makes pictures of another size than the model reads. */
export function setupOf(
  config: ConfigJson,
  plan: PreprocessPlan,
  decoder: ImageDecoder,
  seed: number,
): ImageSetup {
  const size = pictureSize(config);
  if (isOfSize(plan, size)) return { config, preprocessor: new ImagePreprocessor(plan), size, decoder, seed };
  throw new ConfigError(
    `preprocessor_config.json: must make pictures of ${size.width} × ${size.height} pixels, as the model reads; correct its size`,
  );
}
