/** Opening a model folder for the task in hand. */

import { LocalGenerator } from "../generation/generator.ts";
import { type GeneratorOpener, type OpenGenerator, openGenerator } from "../generation/open-generator.ts";
import { ThreadedGenerator } from "../generation/threaded-generator.ts";
import { readConfig } from "../models/config.ts";
import { notEarlyExit } from "../models/early-exit.ts";
import type { TaskName } from "../models/model.ts";
import {
  type OpenImageModel,
  type OpenModel,
  type OpenOptions,
  openImageModel,
  openModel,
  type SessionOpener,
} from "../models/open.ts";
import { isMatcher, type OpenMatcher, openMatcher, releaseMatcher } from "../models/open-matcher.ts";
import { type OpenTowers, openTowers, releaseTowers } from "../models/open-towers.ts";
import { readsPicturesAlone } from "../models/picture-tasks.ts";
import { architectureOf } from "../models/registry.ts";
import { openSession } from "../runtime/index.ts";
import { openHere } from "../runtime/open-here.ts";
import { ImagePreprocessor } from "../vision/preprocess.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { checkModelFile } from "./check-model-file.ts";
import { lastHiddenState } from "./feature-extraction.ts";
import type { OpenImageGenerator } from "./image-to-text.ts";

/** Where a model computes. */
export interface Place {
  readonly session: SessionOpener;
  readonly generator: GeneratorOpener;
}

/** In a thread of its own. */
const ownThread: Place = { session: openSession, generator: ThreadedGenerator.open };
/** In the calling one, which is a worker. */
export const thisThread: Place = { session: openHere, generator: LocalGenerator.open };

/** Tasks whose models generate, and those among them that look at a picture. */
const pictureTextTasks: readonly TaskName[] = [
  "image-to-text",
  "visual-question-answering",
  "image-text-to-text",
];
const generationTasks: readonly TaskName[] = ["text-generation", "translation", ...pictureTextTasks];

/** An open model of any kind. */
export type OpenAnyModel =
  | OpenModel
  | OpenGenerator
  | OpenImageModel
  | OpenImageGenerator
  | OpenTowers
  | OpenMatcher;

/** Tasks that read the last layer. */
const isFeatureTask = (task: string | undefined): boolean =>
  task === "feature-extraction" || task === "sentence-similarity";

/**
 * Opens a model folder for a task. A model with another head gives features too, from its last layer.
 * @throws ConfigError or WeightError when the folder is incomplete, damaged or of an unknown architecture.
 */
export async function openForTask(
  folder: string,
  task: string | undefined,
  options: Omit<OpenOptions, "capture" | "as"> = {},
  place: Place = ownThread,
): Promise<OpenAnyModel> {
  const config = await readConfig(folder);
  const architecture = architectureOf(config, folder);
  const { task: head } = architecture;
  const isOfPictures = readsPicturesAlone(head);
  if (isOfPictures && task === "image-feature-extraction" && head !== task)
    return openImageModel(folder, { ...options, as: task }, place.session);
  const isOtherHead = isFeatureTask(task) && !isFeatureTask(head);
  if (isOtherHead) {
    return openModel(folder, { ...options, capture: [lastHiddenState(config)] }, place.session);
  }
  await checkModelFile(folder);
  const isOfPairs = task === "image-text-matching" && isMatcher(config); // whatever else it is
  if (isOfPairs || head === "image-text-retrieval") return openMatcher(folder, options, place.session);
  if (generationTasks.includes(head)) {
    const { patience, ...session } = options;
    if (patience !== undefined) throw notEarlyExit(architecture);
    const opened = await openGenerator(folder, session, place.generator);
    return pictureTextTasks.includes(head) ? withPreprocessor(opened) : opened;
  }
  if (head === "zero-shot-image-classification") return openTowers(folder, options, place.session);
  return (isOfPictures ? openImageModel : openModel)(folder, options, place.session);
}

async function withPreprocessor(model: OpenGenerator): Promise<OpenImageGenerator> {
  try {
    return { ...model, preprocessor: new ImagePreprocessor(await readPreprocessor(model.folder)) };
  } catch (error) {
    await model.generator.release();
    throw error;
  }
}

/** Frees an open model. */
export async function releaseModel(model: OpenAnyModel): Promise<void> {
  if ("pairs" in model) return releaseMatcher(model);
  if ("texts" in model) return releaseTowers(model);
  if ("generator" in model) return model.generator.release();
  if ("otherSizes" in model) await model.otherSizes.release();
  await model.session.release();
}
