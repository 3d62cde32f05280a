/** From the flags of `tesserae train` to what the trainer runs, for tasks of pictures. */

import { teachPictures } from "../compress/teach-pictures.ts";
import { labelsOfTeacher, type Teacher } from "../compress/teacher.ts";
import { imageFilesAt } from "../data/image-files.ts";
import { RequestError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import type { Variant } from "../models/model.ts";
import { architectureFor } from "../models/registry.ts";
import { type ImageTask, prepareImages } from "../tasks/image-training.ts";
import { noteData } from "./data-options.ts";
import { pictureChoice, probeConfig } from "./image-options.ts";
import { initialImageModel } from "./initial-image-model.ts";
import type { Output } from "./output.ts";
import { withFields } from "./set-fields.ts";
import { needed, studentImageModel } from "./student-model.ts";
import { distilOptions } from "./teacher-options.ts";
import { dataFilesOf, type TrainFlags, type TrainingSetup, trainRunOf } from "./train-flags.ts";

export interface ImageRun {
  /** Undefined for one that is cut out of the teacher. */
  readonly model: string | undefined;
  readonly task: ImageTask;
  readonly data: string;
  /** In the store. */
  readonly name: string;
  readonly teacher?: Teacher | undefined;
}

/** @throws ConfigError when a flag, the data or the model does not hold. */
export async function setUpImageTraining(
  { model, task, data, name, teacher }: ImageRun,
  flags: TrainFlags,
  output: Output,
): Promise<TrainingSetup> {
  const { validation, seed, strict, trainShare, imageColumn, labelColumn, augment } = flags;
  const { preprocessor: given, ...found } = teacher
    ? await studentImageModel(model, teacher, flags, task)
    : await initialImageModel(needed(model), task);
  const initial = flags.linearProbe ? { ...found, config: probeConfig(found.config, task) } : found;
  const modelType = String(initial.config.model_type);
  const architecture = architectureFor(modelType, task, variantOf(modelType, flags, teacher));
  const withSet = (config: ConfigJson): ConfigJson =>
    withFields(config, { ...flags.set, architectures: [architecture.name] });
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
      ...(teacher && { labels: labelsOfTeacher(teacher) }),
    },
    withSet(initial.config),
    { given, ...pictureChoice(flags), ...(augment && { augment }) },
  );
  noteData(output, prepared.badRows, 0);
  const config = withSet({ ...initial.config, ...prepared.task.config });
  const run = trainRunOf(name, { config, weightsFolder: initial.weightsFolder }, prepared, flags);
  const dataFiles = await dataFilesOf({ data, validation }, imageFilesAt);
  const setup = { name, parent: initial.parent, run, dataFiles, flags };
  if (!teacher) return setup;
  const isMixed = Number(augment?.mixup ?? 0) + Number(augment?.cutmix ?? 0) > 0;
  const options = { ...distilOptions(teacher, flags, output), plan: prepared.plan, isMixed };
  return { ...setup, ...(await teachPictures(run, options)) };
}

/** A family with a head that follows a teacher gets it. @throws RequestError for flags that do not go together. */
function variantOf(
  modelType: string,
  { earlyExit = false, linearProbe = false }: TrainFlags,
  teacher: Teacher | undefined,
): Variant | undefined {
  if (earlyExit && (teacher || linearProbe))
    throw new RequestError(
      "train: --early-exit trains all layers from labels; leave out --teacher and --linear-probe",
    );
  if (earlyExit) return "early-exit";
  return teacher && modelType === "deit" ? "with-teacher" : undefined;
}
