/** From the flags of `tesserae train` to what the trainer runs. */

import { join } from "node:path";
import { filesOf } from "../data/read-examples.ts";
import { RequestError } from "../errors.ts";
import type { Variant } from "../models/model.ts";
import { architectureFor } from "../models/registry.ts";
import { assertStoreName, storeNameOf } from "../store/ref.ts";
import { isImageTask } from "../tasks/image-training.ts";
import { headOf, prepare } from "../tasks/tasks.ts";
import type { TrainRun } from "../train/trainer.ts";
import { noteData, readOptions } from "./data-options.ts";
import { assertFlagsFit } from "./image-options.ts";
import { initialModel } from "./initial-model.ts";
import type { Output } from "./output.ts";
import { tokenizerChoice } from "./tokenizer-choice.ts";
import { type TrainFlags, type TrainingSetup, trainOptions } from "./train-flags.ts";
import { setUpImageTraining } from "./train-images.ts";

/** @throws ConfigError or RequestError when a flag, the data or the model does not hold. */
export async function setUpTraining(
  model: string,
  flags: TrainFlags,
  output: Output,
): Promise<TrainingSetup> {
  const { task, data, validation } = flags;
  if (task === undefined || data === undefined) {
    throw new RequestError("train: --task and --data must be given; --help shows examples");
  }
  const name = flags.name ?? `${storeNameOf(model)}-${task}`;
  assertStoreName(name);
  assertFlagsFit(task, isImageTask(task), flags);
  if (isImageTask(task)) return setUpImageTraining({ model, task, data, name }, flags, output);
  const initial = await initialModel(model, tokenizerChoice(task, data, flags));
  const prepared = await prepare(
    task,
    {
      trainPath: data,
      ...(validation !== undefined && { validationPath: validation }),
      ...(flags.seed !== undefined && { seed: flags.seed }),
      ...(flags.wholeWordMasking && { wholeWordMasking: true }),
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
  const config = {
    ...initial.config,
    ...prepared.task.config,
    ...(flags.constraints !== undefined && { crf_constraints: flags.constraints }),
    ...flags.set,
    architectures: [architecture],
  };
  const run: TrainRun = {
    config,
    weightsFolder: initial.weightsFolder,
    task: prepared.task,
    train: prepared.train,
    validation: prepared.validation,
    output: flags.output ?? join("runs", name),
    resume: flags.resume ?? false,
    options: trainOptions(flags),
  };
  const paths = [data, ...(validation === undefined ? [] : [validation])];
  const dataFiles = (await Promise.all(paths.map((path) => filesOf(task, path, flags)))).flat();
  return { name, parent: initial.parent, run, dataFiles, flags };
}

/** @throws RequestError for flags that do not go together. */
function variantOf(flags: TrainFlags): Variant | undefined {
  const { crf = false, constraints, earlyExit = false, qaHead = "span" } = flags;
  if (Number(crf) + Number(earlyExit) + Number(qaHead !== "span") > 1)
    throw new RequestError("train: --crf, --early-exit and --qa-head are for different tasks; give one");
  if (constraints !== undefined && !crf) throw new RequestError("train: --constraints needs --crf");
  if (qaHead !== "span") return qaHead;
  return crf ? "crf" : earlyExit ? "early-exit" : undefined;
}
