/** Options of `tesserae predict` for models that read pictures together with words. */

import { type Command, InvalidArgumentError } from "commander";
import { RequestError } from "../errors.ts";
import { addInterleavedOptions, type InterleavedFlags, interleavedPrompts } from "./interleaved-inputs.ts";
import type { PredictInput } from "./predict-inputs.ts";

export interface PictureFlags extends InterleavedFlags {
  readonly labels?: readonly string[];
  readonly template?: readonly string[];
  /** [height, width] in pixels. */
  readonly imageSize?: readonly [number, number];
}

export function addPictureOptions(command: Command): Command {
  addInterleavedOptions(command);
  return command
    .option(
      "--labels <label...>",
      "zero-shot classification of pictures: the labels; image-text matching: the texts",
    )
    .option(
      "--template <text...>",
      "zero-shot: texts for each label, {} being the label; default: This is a photo of {}.",
    )
    .option("--question <text>", "questions about pictures: what is asked of each")
    .option("--prompt <text>", "captions: what they begin with; prompts: what stands behind the picture")
    .option(
      "--image-size <pixels>",
      "classes and features of pictures: read them at this size, N or HEIGHTxWIDTH; default: the size of training",
      sides,
    );
}

/** The flags under their names in the library; only those that were given. */
export function pictureParameters(
  task: string,
  { labels, template, prompt, imageSize }: PictureFlags,
): object {
  const parameters = {
    candidate_labels: task === "image-text-matching" ? undefined : labels,
    hypothesis_template: template,
    prompt: task === "image-text-to-text" ? undefined : prompt,
    image_size: imageSize,
  };
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined));
}

function sides(text: string): [number, number] {
  const [, height, width = height] = /^(\d+)(?:x(\d+))?$/.exec(text) ?? [];
  if (Number(height) > 0 && Number(width) > 0) return [Number(height), Number(width)];
  throw new InvalidArgumentError("It must be a number of pixels, or two as in 224x320.");
}

/** Pictures as a task asks for them. @throws RequestError when what it asks beside them is missing. */
export function aboutPictures(
  task: string,
  pictures: readonly string[],
  flags: PictureFlags,
): PredictInput[] {
  const { labels, question } = flags;
  if (task === "image-text-to-text") return interleavedPrompts(pictures, flags);
  if (task === "zero-shot-image-classification" && !labels)
    throw new RequestError('predict: this model needs labels; give --labels "a cat" "a dog"');
  if (task === "image-text-matching") {
    if (!labels) throw new RequestError('predict: this model needs texts; give --labels "a red umbrella"');
    return pictures.map((image) => ({ image, text: labels }));
  }
  if (task !== "visual-question-answering") return [...pictures];
  if (question === undefined)
    throw new RequestError('predict: this model needs a question; give --question "What is it?"');
  return pictures.map((image) => ({ image, question }));
}
