/** From the flags of `tesserae train` to what the trainer runs, for tasks of image–text pairs. */

import { teachPairs } from "../compress/teach-pictures.ts";
import { preprocessorOf, type Teacher } from "../compress/teacher.ts";
import { imageFilesAt } from "../data/image-files.ts";
import type { PairOptions } from "../data/image-text-pairs.ts";
import { RequestError } from "../errors.ts";
import { architectureFor } from "../models/registry.ts";
import { openPairs, type PairTask, pairHeadOf, preparePairs, textsOfPairs } from "../tasks/pair-training.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { noteData } from "./data-options.ts";
import { pictureChoice } from "./image-options.ts";
import { initialPairModel } from "./initial-pair-model.ts";
import type { Output } from "./output.ts";
import { pairOptions } from "./pair-options.ts";
import { learnPairTokenizer } from "./pair-tokenizer.ts";
import { withFields } from "./set-fields.ts";
import { distilOptions } from "./teacher-options.ts";
import { dataFilesOf, type TrainFlags, type TrainingSetup, trainRunOf } from "./train-flags.ts";

export interface PairRun {
  readonly model: string;
  readonly task: PairTask;
  readonly data: string;
  /** In the store. */
  readonly name: string;
  readonly teacher?: Teacher | undefined;
}

/** @throws ConfigError or RequestError when a flag, the data or the model does not hold. */
export async function setUpPairTraining(
  { model, task, data, name, teacher }: PairRun,
  flags: TrainFlags,
  output: Output,
): Promise<TrainingSetup> {
  const { validation, seed, maxLength, augment } = flags;
  const { preprocessor, weightsFolder, parent, ...initial } = await initialPairModel(model, flags);
  const given = preprocessor ?? (teacher && (await preprocessorOf(teacher)));
  const choice = { given, ...pictureChoice(flags) };
  const options: PairOptions = pairOptions(flags);
  const train = await openPairs(task, data, choice, options);
  const held = validation === undefined ? undefined : await openPairs(task, validation, choice, options);
  const learn = (vocabSize: number) =>
    learnPairTokenizer(initial.modelType, textsOfPairs(task, train), vocabSize);
  const { config: start, tokenizer } = await initial.withTokenizer(
    await tokenizerFor(teacher ? { tokenizer: teacher.folder, ...flags } : flags, learn),
  );
  const { name: architecture } = architectureFor(initial.modelType, pairHeadOf(task));
  const config = withFields(start, { ...flags.set, architectures: [architecture] });
  const prepared = await preparePairs(
    task,
    { train, validation: held, maxLength, seed },
    { config, tokenizer },
    { ...choice, ...(augment && { augment }) },
  );
  noteData(output, [...train.badRows, ...(held?.badRows ?? [])], prepared.truncated);
  const dataFiles = await dataFilesOf({ data, validation }, imageFilesAt);
  const written = await initial.writeWeights?.(config);
  const run = trainRunOf(name, { config, weightsFolder: written?.folder ?? weightsFolder }, prepared, flags);
  const setup = { name, parent, run, dataFiles, flags, ...(written && { release: written.release }) };
  if (!teacher) return setup;
  const following = { ...distilOptions(teacher, flags, output), plan: prepared.plan, tokenizer };
  return { ...setup, ...(await teachPairs(run, following)) };
}

/** What the flags say; undefined where they say nothing. @throws RequestError when both of them are given. */
async function tokenizerFor(
  { tokenizer: folder, trainTokenizer: vocabSize }: TrainFlags,
  learn: (vocabSize: number) => Promise<Tokenizer>,
): Promise<Tokenizer | undefined> {
  if (folder !== undefined && vocabSize !== undefined)
    throw new RequestError("train: give --tokenizer or --train-tokenizer, not both");
  if (folder !== undefined) return loadTokenizer(folder);
  return vocabSize === undefined ? undefined : learn(vocabSize);
}
