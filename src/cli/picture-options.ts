/** Options of `tesserae predict` for models that read pictures together with words. */

import type { Command } from "commander";
import { RequestError } from "../errors.ts";
import type { PredictInput } from "./predict-inputs.ts";

export interface PictureFlags {
  readonly labels?: readonly string[];
  readonly template?: readonly string[];
  readonly question?: string;
  readonly prompt?: string;
}

export function addPictureOptions(command: Command): Command {
  return command
    .option("--labels <label...>", "zero-shot classification of pictures: the labels")
    .option(
      "--template <text...>",
      "zero-shot: texts for each label, {} being the label; default: This is a photo of {}.",
    )
    .option("--question <text>", "questions about pictures: what is asked of each")
    .option("--prompt <text>", "captions: what they begin with");
}

/** The flags under their names in the library; only those that were given. */
export function pictureParameters({ labels, template, prompt }: PictureFlags): object {
  const parameters = { candidate_labels: labels, hypothesis_template: template, prompt };
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined));
}

/** Pictures as a task asks for them. @throws RequestError when what it asks beside them is missing. */
export function aboutPictures(
  task: string,
  pictures: readonly string[],
  { labels, question }: PictureFlags,
): PredictInput[] {
  if (task === "zero-shot-image-classification" && !labels)
    throw new RequestError('predict: this model needs labels; give --labels "a cat" "a dog"');
  if (task !== "visual-question-answering") return [...pictures];
  if (question === undefined)
    throw new RequestError('predict: this model needs a question; give --question "What is it?"');
  return pictures.map((image) => ({ image, question }));
}
