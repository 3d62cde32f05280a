/** From the flags of `tesserae train` to what the trainer runs, for tasks of pictures. */

import { join } from "node:path";
import { imageFilesAt } from "../data/image-files.ts";
import { architectureFor } from "../models/registry.ts";
import { type ImageTask, prepareImages } from "../tasks/image-training.ts";
import { noteData } from "./data-options.ts";
import { initialImageModel } from "./initial-image-model.ts";
import type { Output } from "./output.ts";
import { type TrainFlags, type TrainingSetup, trainOptions } from "./train-flags.ts";

export interface ImageRun {
  readonly model: string;
  readonly task: ImageTask;
  readonly data: string;
  /** In the store. */
  readonly name: string;
}

/** @throws ConfigError when a flag, the data or the model does not hold. */
export async function setUpImageTraining(
  { model, task, data, name }: ImageRun,
  flags: TrainFlags,
  output: Output,
): Promise<TrainingSetup> {
  const { validation, seed, strict, trainShare, imageColumn, labelColumn, augment } = flags;
  const { preprocessor: given, ...initial } = await initialImageModel(model, task);
  const architecture = architectureFor(String(initial.config.model_type), task);
  const fields = { ...flags.set, architectures: [architecture.name] };
  const prepared = await prepareImages(
    task,
    {
      trainPath: data,
      ...(validation !== undefined && { validationPath: validation }),
      ...(seed !== undefined && { seed }),
      ...(strict && { strict }),
      ...(trainShare !== undefined && { trainShare }),
      ...(imageColumn !== undefined && { imageColumn }),
      ...(labelColumn !== undefined && { labelColumn }),
    },
    { ...initial.config, ...fields },
    { given, mean: flags.imageMean, std: flags.imageStd, ...(augment && { augment }) },
  );
  noteData(output, prepared.badRows, 0);
  const paths = [data, ...(validation === undefined ? [] : [validation])];
  return {
    name,
    parent: initial.parent,
    run: {
      config: { ...initial.config, ...prepared.task.config, ...fields },
      weightsFolder: initial.weightsFolder,
      task: prepared.task,
      train: prepared.train,
      validation: prepared.validation,
      output: flags.output ?? join("runs", name),
      resume: flags.resume ?? false,
      options: trainOptions(flags),
    },
    dataFiles: (await Promise.all(paths.map(imageFilesAt))).flat(),
    flags,
  };
}
