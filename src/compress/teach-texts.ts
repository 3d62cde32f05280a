/** Training runs over texts in which a student follows a teacher. */

import { ConfigError } from "../errors.ts";
import { maxLengthOf } from "../tasks/predictor.ts";
import type { PreparedTraining, TextReader } from "../tasks/tasks.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Dataset } from "../train/task.ts";
import type { TrainRun } from "../train/trainer.ts";
import type { Lessons } from "./lessons.ts";
import { readAlike } from "./live-teacher.ts";
import { isAlwaysAskedLive, objectiveOf } from "./objective.ts";
import {
  cachedRun,
  type DistilOptions,
  fromTeacher,
  learn,
  liveRun,
  openTeacher,
  type TaughtRun,
} from "./taught-run.ts";
import type { TeacherSession } from "./teacher.ts";
import { TeacherCache } from "./teacher-cache.ts";
import { labelled, readTransfer, type TransferData, translated, unlabelled } from "./transfer.ts";

export interface TextDistilOptions extends DistilOptions {
  /** The student's. */
  readonly tokenizer: Tokenizer;
  /** More texts for a classifier, which the teacher labels. */
  readonly transfer?: TransferData | undefined;
}

/**
 * A run over texts. A teacher of another family may read them in tokens of its own where answers are compared by text or
 * by word; hidden states, scores of positions and vocabularies need one tokenizer.
 * @throws ConfigError when teacher, student and data do not go together.
 */
export async function teachTexts(
  run: TrainRun,
  prepared: PreparedTraining,
  options: TextDistilOptions,
): Promise<TaughtRun> {
  const { teacher, transfer } = options;
  const tokenizer = await loadTokenizer(teacher.folder);
  const reader = { tokenizer, maxLength: maxLengthOf(teacher.config, tokenizer, teacher.folder) };
  const isAlike = readAlike(options.tokenizer, tokenizer);
  if (transfer && run.task.name !== "text-classification")
    throw new ConfigError(`distil: transfer data is for text-classification, not for ${run.task.name}`);
  const started = isAlike ? await fromTeacher(run, teacher) : run;
  if (run.task.name === "translation") return teachTranslation(started, prepared, options);
  const distillation = objectiveOf(run.config, teacher, options.fields ?? {});
  if (distillation.hidden > 0 || isAlwaysAskedLive(run.task.name)) {
    if (!isAlike)
      throw new ConfigError(
        "distil: comparing hidden states or vocabularies needs the teacher's tokenizer, the student has another; leave out its tokenizer",
      );
    if (transfer)
      throw new ConfigError("distil: texts without labels are for weights that leave hidden at 0");
    return liveRun(started, run.train, await openTeacher(teacher, distillation), distillation);
  }
  const session = await openTeacher(teacher, distillation);
  try {
    const { train, lessons } = await learnTexts(prepared, reader, session, options, run.options?.seed ?? 0);
    return cachedRun(started, train, lessons, distillation);
  } finally {
    await session.release();
  }
}

async function teachTranslation(
  run: TrainRun,
  prepared: PreparedTraining,
  { teacher, cache = new TeacherCache(), onProgress }: TextDistilOptions,
): Promise<TaughtRun> {
  const pairs = (prepared as PreparedTraining<"translation">).examples;
  const train = prepared.encode(await translated(pairs, teacher, cache, onProgress));
  return { run: { ...run, train }, release: async () => {} };
}

/** The teacher's answers to the training texts and the transfer data, and both as the student reads them. */
async function learnTexts(
  prepared: PreparedTraining,
  reader: TextReader,
  session: TeacherSession,
  options: TextDistilOptions,
  seed: number,
): Promise<{ train: Dataset; lessons: Lessons }> {
  const { teacher, transfer } = options;
  const { examples } = prepared;
  const more = transfer ? unlabelled(await readTransfer(transfer, seed), teacher) : [];
  const lessons = await learn(prepared.encode([...examples, ...more], reader), session, options);
  const taught = labelled(more, teacher, lessons, examples.length);
  return { train: prepared.encode([...examples, ...taught]), lessons };
}
