/** Flags of `train` that are for pictures, and those that are not. */

import { type Command, InvalidArgumentError } from "commander";
import { RequestError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import type { AugmentFields } from "../tasks/image-augmentation.ts";
import type { ChannelValues, PreprocessorChoice } from "../tasks/image-preprocessor.ts";
import { fieldValue } from "./field-value.ts";

export interface ImageFlags {
  readonly augment?: AugmentFields;
  readonly imageMean?: ChannelValues;
  readonly imageStd?: ChannelValues;
  readonly imageBackground?: ChannelValues;
  readonly imageColumn?: string;
  /** Share of the training pictures, above 0. */
  readonly trainShare?: number;
  /** Train a batch norm and a linear classifier on a frozen encoder. */
  readonly linearProbe?: boolean;
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
    .option(
      "--image-background <r,g,b>",
      "pictures: levels that transparent ones are laid over; default: the model's, or transparency is dropped",
      levels,
    )
    .option("--image-column <name>", "pictures: column of paths; default: image, path, file …")
    .option("--linear-probe", "pictures: train a batch norm and a linear classifier on a frozen ViT or MAE")
    .option("--train-share <share>", "pictures: train with this share of them; default: 1", positiveShare);

/** What the flags say of the preprocessor. */
export const pictureChoice = ({
  imageMean,
  imageStd,
  imageBackground,
}: ImageFlags): Pick<PreprocessorChoice, "mean" | "std" | "background"> => ({
  mean: imageMean,
  std: imageStd,
  background: imageBackground,
});

function channelValues(text: string): ChannelValues {
  const values = text.split(",").map(Number);
  if (values.length === 3 && values.every(Number.isFinite)) return values as [number, number, number];
  throw new InvalidArgumentError("It must be three numbers with commas.");
}

function levels(text: string): ChannelValues {
  const values = channelValues(text);
  if (values.every((value) => Number.isInteger(value) && value >= 0 && value <= 255)) return values;
  throw new InvalidArgumentError("It must be three levels from 0 to 255.");
}

/** A number above 0, at most 1. */
export function positiveShare(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError("It must be a number above 0, at most 1.");
}

/** The config of a classifier that probes an encoder. @throws RequestError for a model or a task that has no such head. */
export function probeConfig(config: ConfigJson, task: string): ConfigJson {
  if (config.model_type === "vit" && task === "image-classification")
    return { ...config, batch_norm_head: true };
  throw new RequestError(
    `train: --linear-probe is for image-classification with a ViT or a pretrained MAE, got ${task} with ${config.model_type}; give --freeze-encoder`,
  );
}

/** What a task learns from. */
type DataKind = "texts" | "pictures" | "pairs";

const pictureFlags = ["augment", "imageMean", "imageStd", "imageBackground", "imageColumn", "linearProbe"];
const pairFlags = ["captionColumn", "keywordColumn", "microBatch", "visionModel", "languageModel"];
const tokenFlags = ["tokenizer", "trainTokenizer", "maxLength"];
const textFlags = [
  "wholeWordMasking",
  "crf",
  "constraints",
  "qaHead",
  "textColumn",
  "pairColumn",
  "labelKind",
  "format",
  "columns",
  "transferData",
  "transferCount",
];

/** Flags that tasks of a kind do not have. */
const misplaced: Record<DataKind, readonly string[]> = {
  texts: [...pictureFlags, ...pairFlags, "trainShare", "teacherCopies"],
  pictures: [...tokenFlags, ...textFlags, ...pairFlags],
  pairs: [...textFlags, "earlyExit", "trainShare", "teacherCopies", "layers"],
};

/** @throws RequestError naming a flag that a task of this kind does not have. */
export function assertFlagsFit(task: string, kind: DataKind, flags: object): void {
  const wrong = misplaced[kind].find((name) => name in flags);
  if (wrong === undefined) return;
  const flag = wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new RequestError(`train: --${flag} is not for ${task}; leave it out`);
}
