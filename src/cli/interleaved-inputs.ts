/** What `tesserae predict` asks a model that reads pictures and texts in one sequence. */

import { type Command, InvalidArgumentError } from "commander";
import { RequestError } from "../errors.ts";
import { imageMark, questionPrompt } from "../text/image-marks.ts";
import { wholeNumber } from "./command.ts";
import type { PredictInput } from "./predict-inputs.ts";

/** A picture, or the frames of a video. */
type Medium = string | readonly string[];

export interface InterleavedFlags {
  readonly shot?: readonly { readonly image: Medium; readonly text: string }[];
  /** Pictures that are one video. */
  readonly frames?: number;
  readonly question?: string;
  readonly prompt?: string;
}

export const addInterleavedOptions = (command: Command): Command =>
  command
    .option(
      "--shot <picture=text>",
      "prompts with examples: a picture (or frames, with commas) and what to write of it; may be given again",
      addShot,
    )
    .option("--frames <number>", "prompts: so many pictures one after the other are a video", wholeNumber(1));

function addShot(
  text: string,
  earlier: NonNullable<InterleavedFlags["shot"]> = [],
): InterleavedFlags["shot"] {
  const [, pictures, answer] = /^(.+?)=(.+)$/s.exec(text) ?? [];
  if (pictures === undefined || answer === undefined)
    throw new InvalidArgumentError("It must be picture=text.");
  const frames = pictures.split(",");
  return [...earlier, { image: frames.length > 1 ? frames : pictures, text: answer }];
}

/**
 * A prompt for each picture or video, behind the examples; or one prompt about all of them, whose text says by marks
 * where they are. With a question, the texts of examples are answers to it.
 * @throws RequestError when pictures make no whole videos, or a prompt with marks has examples or a question.
 */
export function interleavedPrompts(
  pictures: readonly string[],
  { shot: shots = [], frames = 1, prompt = "", question }: InterleavedFlags,
): PredictInput[] {
  const media = inVideos(pictures, frames);
  if (prompt.includes(imageMark)) {
    if (shots.length > 0 || question !== undefined)
      throw new RequestError(`predict: a --prompt with ${imageMark} stands alone; write all of it there`);
    return [{ images: media, text: prompt }];
  }
  const asked = question === undefined ? "" : questionPrompt(question);
  const examples = shots.map(({ image, text }) => ({ image, text: asked + text }));
  return media.map((image) => ({ image, text: asked + prompt, examples }));
}

function inVideos(pictures: readonly string[], frames: number): Medium[] {
  if (frames === 1) return [...pictures];
  if (pictures.length % frames !== 0) {
    throw new RequestError(
      `predict: ${pictures.length} pictures make no whole videos of ${frames} frames; give ${frames} for each`,
    );
  }
  return Array.from({ length: pictures.length / frames }, (_, at) =>
    pictures.slice(at * frames, (at + 1) * frames),
  );
}
