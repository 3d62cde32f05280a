/** Opening a model folder for the task in hand. */

import { LocalGenerator } from "../generation/generator.ts";
import { type GeneratorOpener, type OpenGenerator, openGenerator } from "../generation/open-generator.ts";
import { ThreadedGenerator } from "../generation/threaded-generator.ts";
import { readConfig } from "../models/config.ts";
import { notEarlyExit } from "../models/early-exit.ts";
import type { TaskName } from "../models/model.ts";
import { type OpenModel, type OpenOptions, openModel, type SessionOpener } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { openSession } from "../runtime/index.ts";
import { openHere } from "../runtime/open-here.ts";
import { checkModelFile } from "./check-model-file.ts";
import { lastHiddenState } from "./feature-extraction.ts";

/** Where a model computes. */
export interface Place {
  readonly session: SessionOpener;
  readonly generator: GeneratorOpener;
}

/** In a thread of its own. */
const ownThread: Place = { session: openSession, generator: ThreadedGenerator.open };
/** In the calling one, which is a worker. */
export const thisThread: Place = { session: openHere, generator: LocalGenerator.open };

/** Tasks whose models generate. */
const generationTasks: readonly TaskName[] = ["text-generation", "translation"];

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
  options: Omit<OpenOptions, "capture"> = {},
  place: Place = ownThread,
): Promise<OpenModel | OpenGenerator> {
  const config = await readConfig(folder);
  const architecture = architectureOf(config, folder);
  const { task: head } = architecture;
  const isOtherHead = isFeatureTask(task) && !isFeatureTask(head);
  if (isOtherHead) {
    return openModel(folder, { ...options, capture: [lastHiddenState(config)] }, place.session);
  }
  await checkModelFile(folder);
  if (generationTasks.includes(head)) {
    const { patience, ...session } = options;
    if (patience !== undefined) throw notEarlyExit(architecture);
    return openGenerator(folder, session, place.generator);
  }
  return openModel(folder, options, place.session);
}

/** Frees an open model. */
export const releaseModel = (model: OpenModel | OpenGenerator): Promise<void> =>
  "generator" in model ? model.generator.release() : model.session.release();
