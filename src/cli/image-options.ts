/** Flags of `train` that are for pictures, and those that are not. */

import { type Command, InvalidArgumentError } from "commander";
import { RequestError } from "../errors.ts";
import type { AugmentFields } from "../tasks/image-augmentation.ts";
import type { ChannelValues } from "../tasks/image-preprocessor.ts";
import { fieldValue } from "./field-value.ts";

export interface ImageFlags {
  readonly augment?: AugmentFields;
  readonly imageMean?: ChannelValues;
  readonly imageStd?: ChannelValues;
  readonly imageColumn?: string;
  /** Share of the training pictures, above 0. */
  readonly trainShare?: number;
}

export const addImageOptions = (command: Command): Command =>
  command
    .option(
      "--augment <change=number>",
      "pictures: crop, shift, flip, rand_augment, color_jitter, erasing, mixup, cutmix; may be repeated",
      fieldValue,
    )
    .option("--image-mean <r,g,b>", "pictures: default: the model's, or measured", channelValues)
    .option("--image-std <r,g,b>", "pictures: default: the model's, or measured", channelValues)
    .option("--image-column <name>", "pictures: column of paths; default: image, path, file …")
    .option("--train-share <share>", "pictures: train with this share of them; default: 1", positiveShare);

function channelValues(text: string): ChannelValues {
  const values = text.split(",").map(Number);
  if (values.length === 3 && values.every(Number.isFinite)) return values as [number, number, number];
  throw new InvalidArgumentError("It must be three numbers with commas.");
}

/** A number above 0, at most 1. */
export function positiveShare(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError("It must be a number above 0, at most 1.");
}

const imageOnly = ["augment", "imageMean", "imageStd", "imageColumn", "trainShare"];
const textOnly = [
  "tokenizer",
  "trainTokenizer",
  "wholeWordMasking",
  "crf",
  "constraints",
  "qaHead",
  "earlyExit",
  "maxLength",
  "textColumn",
  "pairColumn",
  "labelKind",
  "format",
  "columns",
];

/** @throws RequestError naming a flag that a task of pictures, or of texts, does not have. */
export function assertFlagsFit(task: string, isOfImages: boolean, flags: object): void {
  const wrong = (isOfImages ? textOnly : imageOnly).find((name) => name in flags);
  if (wrong === undefined) return;
  const flag = wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new RequestError(`train: --${flag} is not for ${task}; leave it out`);
}
