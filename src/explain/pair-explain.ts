/** `explainPair`: which regions of a picture the words of a caption look at, and what makes a text match a picture. */

import { RequestError } from "../errors.ts";
import { type ConfigJson, readConfig } from "../models/config.ts";
import type { Architecture, TaskName } from "../models/model.ts";
import { asMatcher, isMatcher } from "../models/open-matcher.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { findModel } from "../tasks/find-model.ts";
import { type ImageSource, openImageSource, readPicture } from "../tasks/image-input.ts";
import { openCaptioner } from "../tasks/write-captions.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import { ImageDecoder } from "../vision/decode.ts";
import type { RgbImage } from "../vision/image.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { explainCaption } from "./pair-caption.ts";
import { notExplained } from "./pair-halves.ts";
import { explainMatch, type MatchScore } from "./pair-match.ts";
import { readPair } from "./pair-reading.ts";
import type { RegionMaps } from "./region-maps.ts";
import { ModelRunner } from "./runner.ts";
import type { ExplainedToken, TextWord } from "./tokens.ts";

export const pairTasks = ["image-to-text", "image-text-matching"] as const;
export type PairTask = (typeof pairTasks)[number];

export interface PairExplainOptions extends Pick<SessionOptions, "provider" | "threads"> {
  /** What is explained beside the picture; default: the caption that the model writes. */
  readonly text?: string | undefined;
  /** Of a model that writes captions and matches; default: captions. */
  readonly task?: PairTask | undefined;
  /** Points of integrated gradients, from 1; default 32. */
  readonly steps?: number | undefined;
}

export interface PairWord extends TextWord {
  /** Of a caption: that the model writes the word behind those before it. */
  readonly probability?: number;
  /** Of a text that is matched: the part of its tokens in the score. */
  readonly contribution?: number;
  /** Where it looks; a CLIP reads picture and text apart, so its words look nowhere. */
  readonly regions?: RegionMaps;
}

export interface PairExplanation {
  readonly architecture: string;
  readonly task: PairTask;
  /** The picture as the model reads it, before its levels are normalised. */
  readonly picture: RgbImage;
  readonly text: string;
  /** Whether the model wrote the text. */
  readonly isGenerated: boolean;
  readonly tokens: readonly ExplainedToken[];
  /** Tokens beyond the longest text, which were not read. */
  readonly leftOut: number;
  readonly words: readonly PairWord[];
  /** Mean of the words. */
  readonly regions?: RegionMaps;
  /** Captions have none. */
  readonly match?: MatchScore;
}

/**
 * A BLIP's caption, or a text that a BLIP or a CLIP matches with a picture.
 * @param model a folder, a version in the store, a bundled model or a name on the hub
 * @throws ConfigError for an unknown model or one of other tasks, RequestError for a text that is missing or empty.
 */
export async function explainPair(
  model: string,
  image: ImageSource,
  { text: given, task: wanted, steps = 32, ...session }: PairExplainOptions = {},
): Promise<PairExplanation> {
  const folder = await findModel(model);
  const config = await readConfig(folder);
  const runner = ModelRunner.of(folder, configFor(config, wanted), session);
  const task = taskOf(runner.architecture, wanted);
  const [tokenizer, plan] = await Promise.all([loadTokenizer(folder), readPreprocessor(folder)]);
  const decoded = await readPicture(image, new ImageDecoder({}, plan.background), openImageSource);
  const text = given ?? (await captionOf(task, decoded, folder, session));
  const reading = readPair(runner, { tokenizer, plan, picture: decoded, text, steps });
  const { tokens, leftOut } = reading.tokenized;
  const explained = await (task === matching ? explainMatch(reading) : explainCaption(reading));
  return {
    architecture: runner.architecture.name,
    task,
    picture: reading.picture,
    text,
    isGenerated: given === undefined,
    tokens,
    leftOut,
    ...explained,
  };
}

const matching: PairTask = "image-text-matching";

/** The config, of the matcher where that is wanted and there is one. */
const configFor = (config: ConfigJson, task: PairTask | undefined): ConfigJson =>
  task === matching && isMatcher(config) ? asMatcher(config) : config;

const taskOfHead: Partial<Record<TaskName, PairTask>> = {
  "image-to-text": "image-to-text",
  "image-text-retrieval": matching,
  "zero-shot-image-classification": matching,
};

/** @throws ConfigError for a model of other tasks, RequestError when it is not for the one that is wanted. */
function taskOf({ name, task: head }: Architecture, wanted: PairTask | undefined): PairTask {
  const task = taskOfHead[head];
  if (!task) throw notExplained(name);
  if (wanted === undefined || wanted === task) return task;
  throw new RequestError(`explain: ${name} is for ${task}, not for ${wanted}`);
}

/** What the model writes about the picture. @throws RequestError for a model that writes nothing. */
async function captionOf(
  task: PairTask,
  picture: RgbImage,
  folder: string,
  session: SessionOptions,
): Promise<string> {
  if (task === matching)
    throw new RequestError("explain: this model matches a picture with a text; give the text too");
  const writer = await openCaptioner(folder, session);
  try {
    const [[best]] = (await writer.predict([picture])) as [[{ generated_text: string }]];
    return best.generated_text;
  } finally {
    await writer.release();
  }
}
