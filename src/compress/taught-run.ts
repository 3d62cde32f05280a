/** What runs in which a student follows a teacher have in common. */

import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { architectureOf } from "../models/registry.ts";
import type { Distillation } from "../train/distillation.ts";
import type { Batch } from "../train/step.ts";
import type { Dataset } from "../train/task.ts";
import type { TrainRun } from "../train/trainer.ts";
import { Lessons } from "./lessons.ts";
import { askedLive } from "./live-teacher.ts";
import type { DistillationFields } from "./objective.ts";
import { writeStudent } from "./student.ts";
import { type Teacher, TeacherSession, teacherHash } from "./teacher.ts";
import { TeacherCache } from "./teacher-cache.ts";

export interface DistilOptions {
  readonly teacher: Teacher;
  /** Weights in place of the defaults. */
  readonly fields?: DistillationFields | undefined;
  /** Augmented copies of each picture that the teacher answers; epochs go round them. Default 4. */
  readonly copies?: number | undefined;
  /** Where answers are kept. Default: in the store's folder. */
  readonly cache?: TeacherCache;
  /** Told of items that the teacher has answered, of all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A run whose batches bring what the teacher gives. */
export interface TaughtRun {
  readonly run: TrainRun;
  /** Ends the teacher's thread, if there is one; to be called when the run is over. */
  release(): Promise<void>;
}

/** The teacher, giving what the objective weighs. */
export const openTeacher = (teacher: Teacher, { hidden, features }: Distillation): Promise<TeacherSession> =>
  TeacherSession.open(teacher, { hidden: hidden > 0, features: features > 0 });

/** A student without weights of its own starts from those of the teacher that fit. */
export async function fromTeacher(run: TrainRun, teacher: Teacher): Promise<TrainRun> {
  if (run.weightsFolder !== undefined) return run;
  const folder = join(run.output, "student");
  const { weightsFolder } = await writeStudent(folder, run.config, teacher, run.options?.seed ?? 0);
  return { ...run, weightsFolder };
}

/** The teacher's answers to a data set as it reads it. */
export async function learn(
  dataset: Dataset,
  session: TeacherSession,
  { teacher, cache = new TeacherCache(), copies, onProgress }: DistilOptions,
): Promise<Lessons> {
  return Lessons.learn({
    dataset,
    teacher: session,
    teacherHash: await teacherHash(teacher),
    cache,
    ...(copies !== undefined && { copies }),
    onProgress,
  });
}

/** A run whose batches bring answers that are there already. */
export function cachedRun(
  run: TrainRun,
  train: Dataset,
  lessons: Lessons,
  distillation: Distillation,
): TaughtRun {
  const taught: Dataset = {
    ...train,
    async collate(indices, length, random, epoch) {
      const batch = await train.collate(indices, length, random, epoch);
      return { ...batch, ...lessons.forBatch(batch, indices, epoch) };
    },
  };
  return { run: withObjective(run, taught, distillation), release: async () => {} };
}

/** A run whose batches are given to the teacher one by one. */
export function liveRun(
  run: TrainRun,
  train: Dataset,
  session: TeacherSession,
  distillation: Distillation,
): TaughtRun {
  return {
    run: withObjective(run, askedLive(train, session), distillation),
    release: () => session.release(),
  };
}

/** A model with a loss for a teacher of its own, as DeiT has, keeps it and is given the logits under its name for them. */
function withObjective(run: TrainRun, train: Dataset, distillation: Distillation): TrainRun {
  const own = "teacher_logits";
  const inputs = architectureOf(run.config).inputs(run.config);
  if (inputs.every(({ name }) => name !== own))
    return { ...run, train, options: { ...run.options, distillation } };
  if (distillation.hidden + distillation.features > 0) {
    throw new ConfigError(
      "distil: DeiT has a loss for a teacher's logits alone; leave hidden and features at 0",
    );
  }
  const renamed: Dataset = {
    ...train,
    async collate(...args) {
      const { "teacher.logits": logits, ...batch }: Batch = await train.collate(...args);
      return { ...batch, [own]: logits! };
    },
  };
  return { ...run, train: renamed };
}
