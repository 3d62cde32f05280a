/** Training runs over pictures, and over pictures with texts, in which a student follows a teacher. */

import { ConfigError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import { architectureOf } from "../models/registry.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Dataset } from "../train/task.ts";
import type { TrainRun } from "../train/trainer.ts";
import type { PreprocessPlan } from "../vision/preprocess.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { readAlike } from "./live-teacher.ts";
import { objectiveOf } from "./objective.ts";
import {
  cachedRun,
  type DistilOptions,
  fromTeacher,
  learn,
  liveRun,
  openTeacher,
  type TaughtRun,
} from "./taught-run.ts";
import type { Teacher } from "./teacher.ts";

export interface PictureDistilOptions extends DistilOptions {
  /** How the student reads pictures. */
  readonly plan: PreprocessPlan;
  /** Whether pictures of a batch are mixed, so that no two batches are alike. */
  readonly isMixed: boolean;
}

/**
 * A run over pictures. The teacher answers a fixed number of augmented copies of each, or, where they are mixed or hidden
 * states are compared, every batch.
 * @throws ConfigError unless teacher and student read pictures alike.
 */
export async function teachPictures(
  run: TrainRun,
  { isMixed, plan, ...options }: PictureDistilOptions,
): Promise<TaughtRun> {
  const { teacher, copies = 4 } = options;
  await assertSamePictures(plan, run.config, teacher);
  const distillation = objectiveOf(run.config, teacher, options.fields ?? {});
  const started = await fromTeacher(run, teacher);
  const session = await openTeacher(teacher, distillation);
  if (isMixed || distillation.hidden > 0) return liveRun(started, run.train, session, distillation);
  try {
    const lessons = await learn(run.train, session, { ...options, copies });
    const train = {
      ...run.train,
      collate: (...[indices, length, random, epoch]: Parameters<Dataset["collate"]>) =>
        run.train.collate(indices, length, random, epoch % copies),
    };
    return cachedRun(started, train, lessons, distillation);
  } finally {
    await session.release();
  }
}

export interface PairDistilOptions extends Omit<PictureDistilOptions, "isMixed"> {
  /** The student's. */
  readonly tokenizer: Tokenizer;
}

/**
 * A run over images with their texts, in which each tower learns to embed what it reads as the teacher's does, asked
 * for every batch.
 * @throws ConfigError unless both read images and texts alike.
 */
export async function teachPairs(
  run: TrainRun,
  { plan, tokenizer, teacher, fields = {} }: PairDistilOptions,
): Promise<TaughtRun> {
  await assertSamePictures(plan, run.config, teacher);
  if (!readAlike(tokenizer, await loadTokenizer(teacher.folder)))
    throw new ConfigError(
      "distil: comparing embeddings of texts needs the teacher's tokenizer, the student has another; leave out its tokenizer",
    );
  if (run.options?.microBatch !== undefined)
    throw new ConfigError("distil: a batch in parts is for training without a teacher; leave out microBatch");
  const distillation = objectiveOf(run.config, teacher, fields);
  const started = await fromTeacher(run, teacher);
  return liveRun(started, run.train, await openTeacher(teacher, distillation), distillation);
}

/** @throws ConfigError unless both take pictures of one size and with the same levels. */
async function assertSamePictures(plan: PreprocessPlan, config: ConfigJson, teacher: Teacher): Promise<void> {
  const sizeOf = (json: ConfigJson): string =>
    String(
      architectureOf(json)
        .inputs(json)
        .find(({ name }) => name === "pixel_values")?.axes,
    );
  const { normalize } = await readPreprocessor(teacher.folder);
  const [own, there] = [sizeOf(config), sizeOf(teacher.config)];
  if (own === there && JSON.stringify(plan.normalize) === JSON.stringify(normalize)) return;
  throw new ConfigError(
    `${teacher.folder}: teacher and student must read pictures of one size and normalisation; the teacher's are ${there} and ${JSON.stringify(normalize)}, the student's ${own} and ${JSON.stringify(plan.normalize)}`,
  );
}
