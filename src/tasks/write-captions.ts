/** What a model writes about the pictures of a data set. */

import type { ImageExample } from "../data/images.ts";
import type { InterleavedExample } from "../data/interleaved.ts";
import { ConfigError } from "../errors.ts";
import type { GenerationOptions } from "../generation/options.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { openInterleavedPredictor } from "./image-text-to-text.ts";
import { openPictureTextPredictor, type PictureAnswer } from "./image-to-text.ts";
import { openForTask, releaseModel } from "./open-for-task.ts";
import type { Predictor } from "./predictor.ts";
import type { GeneratedText } from "./text-generation.ts";

/** Pictures that are held in memory at a time. */
const picturesAtOnce = 64;

export interface WritingOptions {
  readonly session?: SessionOptions | undefined;
  readonly generation?: GenerationOptions;
}

/** One caption for each picture. @throws ConfigError for the folder of a model that writes none. */
export async function writeCaptions(
  examples: readonly ImageExample[],
  folder: string,
  options: WritingOptions = {},
): Promise<string[]> {
  const ask = (picture: unknown): unknown => picture;
  const answers = await written<GeneratedText[]>("image-to-text", examples, folder, ask, options);
  return answers.map(([best]) => best!.generated_text);
}

/** One answer for each picture and its question. @throws ConfigError for the folder of a model that gives none. */
export async function answerQuestions(
  examples: readonly (ImageExample & { readonly question: string })[],
  folder: string,
  options: WritingOptions = {},
): Promise<string[]> {
  const ask = (image: unknown, at: number): unknown => ({ image, question: examples[at]!.question });
  const answers = await written<PictureAnswer[]>("visual-question-answering", examples, folder, ask, options);
  return answers.map(([best]) => best!.answer);
}

/** What follows each prompt about one picture. @throws ConfigError for the folder of a model that reads no prompts. */
export async function continueExamples(
  examples: readonly InterleavedExample[],
  folder: string,
  options: WritingOptions = {},
): Promise<string[]> {
  const ask = (image: unknown, at: number): unknown => ({ images: [image], text: examples[at]!.prompt });
  const answers = await written<GeneratedText[]>("image-text-to-text", examples, folder, ask, options);
  return answers.map(([best]) => best!.generated_text);
}

/** What writes captions. @throws ConfigError for the folder of a model that writes none. */
export const openCaptioner = (folder: string, session: SessionOptions = {}): Promise<Predictor> =>
  openWriter("image-to-text", folder, session);

type WritingTask = "image-to-text" | "visual-question-answering" | "image-text-to-text";

async function openWriter(task: WritingTask, folder: string, session: SessionOptions): Promise<Predictor> {
  const model = await openForTask(folder, task, session);
  if ("generator" in model && "preprocessor" in model && model.architecture.task === task) {
    return task === "image-text-to-text"
      ? openInterleavedPredictor(task, model, undefined)
      : openPictureTextPredictor(task, model, undefined);
  }
  await releaseModel(model);
  throw new ConfigError(`${folder}: ${model.architecture.name} is not for ${task}; give a model made for it`);
}

/** The model's answers to what `ask` makes of each picture. */
async function written<Answer>(
  task: WritingTask,
  examples: readonly ImageExample[],
  folder: string,
  ask: (picture: unknown, at: number) => unknown,
  { session = {}, generation = {} }: WritingOptions,
): Promise<Answer[]> {
  const writer = await openWriter(task, folder, session);
  try {
    const answers: Answer[] = [];
    for (let start = 0; start < examples.length; start += picturesAtOnce) {
      const some = examples.slice(start, start + picturesAtOnce);
      const pictures = await Promise.all(some.map((example) => example.load()));
      const questions = pictures.map((picture, at) => ask(picture, start + at));
      answers.push(...((await writer.predict(questions, generation)) as Answer[]));
    }
    return answers;
  } finally {
    await writer.release();
  }
}
