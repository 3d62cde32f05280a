/** What a student starts from: a model that is named, or layers of its teacher. */

import { shallowerConfig } from "../compress/student.ts";
import { preprocessorOf, type Teacher } from "../compress/teacher.ts";
import { RequestError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import type { ImageTask } from "../tasks/image-training.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import { type InitialImageModel, initialImageModel } from "./initial-image-model.ts";
import { type InitialModel, initialModel, isNamedSize } from "./initial-model.ts";
import type { TeacherFlags } from "./teacher-options.ts";
import type { TokenizerOf } from "./tokenizer-choice.ts";

/** @throws RequestError where no model is named. */
export function needed(model: string | undefined): string {
  if (model !== undefined) return model;
  throw new RequestError(
    "train: name a model to start from, or --teacher and --layers; --help shows examples",
  );
}

/** A student that reads texts, a named size with its teacher's tokenizer unless another is chosen. */
export async function studentModel(
  model: string | undefined,
  teacher: Teacher,
  flags: TeacherFlags,
  tokenizerOf: TokenizerOf | undefined,
): Promise<InitialModel> {
  const ofTeacher = (): ReturnType<TokenizerOf> => loadTokenizer(teacher.folder);
  const cut = cutConfig(model, teacher, flags);
  if (cut) return { config: cut, tokenizer: await ofTeacher(), parent: teacher.ref };
  const name = needed(model);
  return initialModel(name, tokenizerOf ?? (isNamedSize(name) ? ofTeacher : undefined));
}

/** A student that reads pictures, as its teacher does unless it has a preprocessor of its own. */
export async function studentImageModel(
  model: string | undefined,
  teacher: Teacher,
  flags: TeacherFlags,
  task: ImageTask,
): Promise<InitialImageModel> {
  const preprocessor = { preprocessor: await preprocessorOf(teacher) };
  const cut = cutConfig(model, teacher, flags);
  if (cut) return { config: cut, parent: teacher.ref, ...preprocessor };
  return { ...preprocessor, ...(await initialImageModel(needed(model), task)) };
}

/** The teacher's config with fewer layers, where that is asked for. @throws RequestError for a model and layers. */
function cutConfig(
  model: string | undefined,
  teacher: Teacher,
  { layers }: TeacherFlags,
): ConfigJson | undefined {
  if (layers === undefined) return undefined;
  if (model !== undefined) throw new RequestError("train: give a model or --layers, not both");
  return shallowerConfig(teacher, layers);
}
