/** Flags of `train` by which a student follows a teacher. */

import type { Command } from "commander";
import type { DistillationFields } from "../compress/objective.ts";
import type { DistilOptions } from "../compress/taught-run.ts";
import { readTeacher, type Teacher } from "../compress/teacher.ts";
import type { TransferData } from "../compress/transfer.ts";
import { RequestError } from "../errors.ts";
import { wholeNumber } from "./command.ts";
import { fieldValue } from "./field-value.ts";
import { findFolder } from "./initial-model.ts";
import type { Output } from "./output.ts";
import { Progress } from "./progress.ts";

export interface TeacherFlags {
  readonly teacher?: string;
  readonly layers?: number;
  readonly distil?: DistillationFields;
  readonly transferData?: string;
  readonly transferCount?: number;
  readonly teacherCopies?: number;
}

export const addTeacherOptions = (command: Command): Command =>
  command
    .option("--teacher <model>", "distillation: a trained model whose answers the model learns to give")
    .option(
      "--layers <number>",
      "with --teacher and no model: start from that many of its layers",
      wholeNumber(1),
    )
    .option(
      "--distil <weight=number>",
      "with --teacher: temperature, labels, outputs, hidden, features; may be repeated",
      fieldValue,
    )
    .option("--transfer-data <path>", "with --teacher: text without labels, which it labels; a line each")
    .option(
      "--transfer-count <number>",
      "with --transfer-data: lines that are used; default: all",
      wholeNumber(1),
    )
    .option(
      "--teacher-copies <number>",
      "with --teacher, pictures: augmented copies that it answers; default: 4",
      wholeNumber(1),
    );

/** The teacher that the flags name. @throws RequestError for flags that need one and have none. */
export async function teacherOf(flags: TeacherFlags): Promise<Teacher | undefined> {
  if (flags.teacher !== undefined) {
    const { folder, parent } = await findFolder(flags.teacher);
    return readTeacher(folder, parent);
  }
  const names = ["layers", "distil", "transferData", "transferCount", "teacherCopies"] as const;
  const odd = names.find((name) => flags[name] !== undefined);
  if (odd === undefined) return undefined;
  const flag = odd.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new RequestError(`train: --${flag} needs --teacher`);
}

/** What the flags say of the transfer data. */
export function transferOf({
  transferData: path,
  transferCount: count,
}: TeacherFlags): TransferData | undefined {
  if (path !== undefined) return { path, count };
  if (count === undefined) return undefined;
  throw new RequestError("train: --transfer-count needs --transfer-data");
}

/** How the flags have a student follow its teacher, with a bar while the teacher answers. */
export function distilOptions(teacher: Teacher, flags: TeacherFlags, output: Output): DistilOptions {
  let progress: Progress | undefined;
  return {
    teacher,
    fields: flags.distil,
    copies: flags.teacherCopies,
    onProgress: (done, total) => {
      progress ??= new Progress(output, "teacher", total, "items");
      progress.update(done);
      if (done === total) progress.finish();
    },
  };
}
