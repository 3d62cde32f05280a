/** Distillation from end to end: a teacher, a student's config and data become a version in the store. */

import type { DataTask } from "../data/examples.ts";
import { imageFilesAt } from "../data/image-files.ts";
import { filesOf } from "../data/read-examples.ts";
import { RuntimeFailure } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import { architectureFor } from "../models/registry.ts";
import type { Lineage } from "../store/manifest.ts";
import type { ModelStore, StoredVersion } from "../store/store.ts";
import type { AugmentFields } from "../tasks/image-augmentation.ts";
import { type ImageFiles, type ImageTask, isImageTask, prepareImages } from "../tasks/image-training.ts";
import { storeTrained } from "../tasks/store-trained.ts";
import { headOf, prepare, type TrainingFiles } from "../tasks/tasks.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { fit, type TrainHooks, type TrainOptions, type TrainRun } from "../train/trainer.ts";
import type { DistilOptions, TaughtRun } from "./taught-run.ts";
import { teachPictures } from "./teach-pictures.ts";
import { teachTexts } from "./teach-texts.ts";
import { labelsOfTeacher, preprocessorOf } from "./teacher.ts";
import type { TransferData } from "./transfer.ts";

interface CommonRequest extends DistilOptions {
  /** The student's config.json without classes and architecture: `shallowerConfig(teacher, 2)`, or any other. */
  readonly student: ConfigJson;
  /** In the store. */
  readonly name: string;
  /** Folder of the training run. */
  readonly output: string;
  /** Goes on from a run that was stopped in that folder. Default false. */
  readonly resume?: boolean;
  readonly options?: TrainOptions;
  readonly store?: ModelStore;
  /** What is said of the version's origin beside the teacher and the data. */
  readonly lineage?: Pick<Lineage, "command" | "config">;
}

export interface TextRequest extends CommonRequest {
  readonly task: DataTask;
  readonly files: Omit<TrainingFiles, "labels">;
  /** Default: the teacher's. */
  readonly tokenizer?: Tokenizer;
  readonly transfer?: TransferData;
}

export interface PictureRequest extends CommonRequest {
  readonly task: ImageTask;
  readonly files: Omit<ImageFiles, "labels">;
  readonly augment?: AugmentFields;
}

/**
 * Trains a student and stores it. Its classes are the teacher's; its first weights are the teacher's where they fit.
 * @throws ConfigError when teacher, student and data do not go together; RuntimeFailure, code interrupted, when the
 *   signal stops it, with a checkpoint to go on from.
 */
export async function distil(
  request: TextRequest | PictureRequest,
  hooks: TrainHooks = {},
): Promise<StoredVersion> {
  const { run, release } = isPictures(request) ? await pictureRun(request) : await textRun(request);
  try {
    const result = await fit(run, hooks);
    if (result.end === "interrupted") {
      throw new RuntimeFailure(
        `distil: stopped after ${result.steps} steps; call again with resume to go on in ${request.output}`,
        { code: "interrupted" },
      );
    }
    const { name, teacher, lineage, store } = request;
    const origin = { parent: teacher.ref, ...lineage, dataFiles: await dataFilesOf(request) };
    return await storeTrained(name, result, origin, store);
  } finally {
    await release();
  }
}

const isPictures = (request: TextRequest | PictureRequest): request is PictureRequest =>
  isImageTask(request.task);

async function textRun(request: TextRequest): Promise<TaughtRun> {
  const { task, teacher, files } = request;
  const tokenizer = request.tokenizer ?? (await loadTokenizer(teacher.folder));
  const prepared = await prepare(task, { ...files, labels: labelsOfTeacher(teacher) }, tokenizer);
  const architecture = architectureFor(String(request.student.model_type), headOf(task)).name;
  return teachTexts(runOf(request, prepared, architecture), prepared, { ...request, tokenizer });
}

async function pictureRun(request: PictureRequest): Promise<TaughtRun> {
  const { task, teacher, files, augment = {}, student } = request;
  const modelType = String(student.model_type);
  const architecture = architectureFor(
    modelType,
    task,
    modelType === "deit" ? "with-teacher" : undefined,
  ).name;
  const given = await preprocessorOf(teacher);
  const labels = labelsOfTeacher(teacher);
  const config = { ...student, architectures: [architecture] };
  const prepared = await prepareImages(task, { ...files, labels }, config, { given, augment });
  const isMixed = (augment.mixup ?? 0) + (augment.cutmix ?? 0) > 0;
  const options = { ...request, plan: prepared.plan, isMixed };
  return teachPictures(runOf(request, prepared, architecture), options);
}

const runOf = (
  { student, output, resume = false, options = {} }: CommonRequest,
  { task, train, validation }: Pick<TrainRun, "task" | "train" | "validation">,
  architecture: string,
): TrainRun => ({
  config: { ...student, ...task.config, architectures: [architecture] },
  task,
  train,
  validation,
  output,
  resume,
  options,
});

/** Paths of the files of training and validation. */
export async function dataFilesOf(
  request: Pick<TextRequest, "task" | "files"> | Pick<PictureRequest, "task" | "files">,
): Promise<string[]> {
  const { trainPath, validationPath } = request.files;
  const paths = [trainPath, ...(validationPath === undefined ? [] : [validationPath])];
  const files = paths.map((path) =>
    isImageTask(request.task) ? imageFilesAt(path) : filesOf(request.task, path, request.files),
  );
  return (await Promise.all(files)).flat();
}
