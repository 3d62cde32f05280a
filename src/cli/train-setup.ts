/** From the flags of `tesserae train` to what the trainer runs. */

import { teachTexts } from "../compress/teach-texts.ts";
import { labelsOfTeacher, type Teacher } from "../compress/teacher.ts";
import { filesOf } from "../data/read-examples.ts";
import { RequestError } from "../errors.ts";
import type { Variant } from "../models/model.ts";
import { architectureFor } from "../models/registry.ts";
import { assertStoreName, storeNameOf } from "../store/ref.ts";
import { isImageTask } from "../tasks/image-training.ts";
import { isPairTask } from "../tasks/pair-training.ts";
import { positionsOf } from "../tasks/predictor.ts";
import { headOf, prepare } from "../tasks/tasks.ts";
import { noteData, readOptions } from "./data-options.ts";
import { assertFlagsFit } from "./image-options.ts";
import { initialModel } from "./initial-model.ts";
import type { Output } from "./output.ts";
import { withFields } from "./set-fields.ts";
import { needed, studentModel } from "./student-model.ts";
import { distilOptions, teacherOf, transferOf } from "./teacher-options.ts";
import { tokenizerChoice } from "./tokenizer-choice.ts";
import { dataFilesOf, type TrainFlags, type TrainingSetup, trainRunOf } from "./train-flags.ts";
import { setUpImageTraining } from "./train-images.ts";
import { setUpPairTraining } from "./train-pairs.ts";

/** @throws ConfigError or RequestError when a flag, the data or the model does not hold. */
export async function setUpTraining(
  model: string | undefined,
  flags: TrainFlags,
  output: Output,
): Promise<TrainingSetup> {
  const { task, data, validation } = flags;
  if (task === undefined || data === undefined) {
    throw new RequestError("train: --task and --data must be given; --help shows examples");
  }
  const teacher = await teacherOf(flags);
  const name = flags.name ?? nameOf(model, teacher, flags);
  assertStoreName(name);
  assertFlagsFit(task, isPairTask(task) ? "pairs" : isImageTask(task) ? "pictures" : "texts", flags);
  if (isPairTask(task))
    return setUpPairTraining({ model: needed(model), task, data, name, teacher }, flags, output);
  if (isImageTask(task)) return setUpImageTraining({ model, task, data, name, teacher }, flags, output);
  const choice = tokenizerChoice(task, data, flags);
  const initial = teacher
    ? await studentModel(model, teacher, flags, choice)
    : await initialModel(needed(model), choice);
  const prepared = await prepare(
    task,
    {
      trainPath: data,
      ...(validation !== undefined && { validationPath: validation }),
      ...(flags.seed !== undefined && { seed: flags.seed }),
      ...(flags.wholeWordMasking && { wholeWordMasking: true }),
      ...(teacher && { labels: labelsOfTeacher(teacher) }),
      positions: positionsOf(withFields(initial.config, flags.set), name),
      ...readOptions(flags),
    },
    initial.tokenizer,
  );
  noteData(output, prepared.badRows, prepared.truncated);
  const { name: architecture } = architectureFor(
    String(initial.config.model_type),
    headOf(task),
    variantOf(flags),
  );
  const config = withFields(
    {
      ...initial.config,
      ...prepared.task.config,
      ...(flags.constraints !== undefined && { crf_constraints: flags.constraints }),
    },
    { ...flags.set, architectures: [architecture] },
  );
  const run = trainRunOf(name, { config, weightsFolder: initial.weightsFolder }, prepared, flags);
  const dataFiles = await dataFilesOf({ data, validation }, (path) => filesOf(task, path, flags));
  const setup = { name, parent: initial.parent, run, dataFiles, flags };
  if (!teacher) return setup;
  const options = {
    ...distilOptions(teacher, flags, output),
    tokenizer: initial.tokenizer,
    transfer: transferOf(flags),
  };
  return { ...setup, ...(await teachTexts(run, prepared, options)) };
}

/** A name in the store where the user gives none. */
const nameOf = (
  model: string | undefined,
  teacher: Teacher | undefined,
  { task, layers }: TrainFlags,
): string =>
  model === undefined && teacher && layers !== undefined
    ? `${storeNameOf(teacher.ref.split("@")[0]!)}-layers-${layers}`
    : `${storeNameOf(needed(model))}-${task}`;

/** @throws RequestError for flags that do not go together. */
function variantOf(flags: TrainFlags): Variant | undefined {
  const { crf = false, constraints, earlyExit = false, qaHead = "span" } = flags;
  if (Number(crf) + Number(earlyExit) + Number(qaHead !== "span") > 1)
    throw new RequestError("train: --crf, --early-exit and --qa-head are for different tasks; give one");
  if (constraints !== undefined && !crf) throw new RequestError("train: --constraints needs --crf");
  if (qaHead !== "span") return qaHead;
  return crf ? "crf" : earlyExit ? "early-exit" : undefined;
}
