/** Predictors of models that read pictures: read, decoded, preprocessed, batched, and answered from the outputs. */

import { ConfigError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import type { OpenImageModel } from "../models/open.ts";
import type { ImageSides } from "../models/sized-sessions.ts";
import type { Feeds } from "../runtime/session.ts";
import { ImageDecoder } from "../vision/decode.ts";
import type { RgbImage } from "../vision/image.ts";
import type { ImagePreprocessor } from "../vision/preprocess.ts";
import { assertWanted, type BatchOrder } from "./batch-order.ts";
import type { BatchOptions, TextOutputs } from "./batch-runner.ts";
import { type ImageOpener, type ImageSource, readPicture } from "./image-input.ts";
import { ImageRunner } from "./image-runner.ts";
import { type LabelConfig, readLabels } from "./labels.ts";
import { Predictor, type QuestionKind } from "./predictor.ts";
import { SizedRunners } from "./sized-runners.ts";
import { Slots } from "./slots.ts";

/** What an image task needs of a model to answer. */
export interface ImageTaskModel extends LabelConfig {
  readonly config: ConfigJson;
  readonly preprocessor: ImagePreprocessor;
  /** @throws ImageError or RequestError when it is no picture. */
  picture(source: ImageSource): Promise<RgbImage>;
  /** The wanted outputs for one picture, without the batch axis. */
  run(feeds: Feeds): Promise<TextOutputs>;
  /** The same for a picture as it is given, read at a size. @throws RequestError for one that the model cannot read. */
  see(source: ImageSource, imageSize?: ImageSides): Promise<TextOutputs>;
}

/** How pictures are got, and their batches made. */
export interface PictureOptions extends Omit<BatchOptions, "maxBatchTokens"> {
  /** Gets the bytes of pictures that are named; without it, pictures must be given as bytes. */
  readonly openImage?: ImageOpener | undefined;
}

/** A kind of question about one picture. */
export interface ImageAnswerTask<Options, Answer>
  extends QuestionKind<ImageSource, Options, Answer, ImageTaskModel> {
  /** Outputs that must be there, and those that are read where they are. */
  readonly outputs: readonly string[];
  readonly optionalOutputs?: readonly string[];
}

/** Pictures that are read, decoded or computed at once, by all calls; bounds their memory. */
const picturesAtOnce = 32;

/** @throws ConfigError, code unsupported, when the model has not the outputs that the task reads. */
export function openImagePredictor<Options, Answer>(
  task: string,
  definition: ImageAnswerTask<Options, Answer>,
  model: OpenImageModel,
  { openImage, ...batches }: PictureOptions = {},
): Predictor<Answer> {
  const { session, preprocessor, otherSizes, config, folder, architecture } = model;
  const has = (name: string): boolean => session.outputs.some((output) => output.name === name);
  if (!definition.outputs.every(has)) {
    throw new ConfigError(
      `${folder}: ${architecture.name} is for ${architecture.task} and cannot do ${task}; give a model made for it`,
      { code: "unsupported" },
    );
  }
  const outputs = [...definition.outputs, ...(definition.optionalOutputs ?? []).filter(has)];
  const runner = new ImageRunner(session, outputs, batches);
  const atSize = new SizedRunners(model, outputs, batches);
  const decoder = new ImageDecoder({}, preprocessor.plan.background);
  const labels = readLabels(config, folder);
  const modelFor = (order: BatchOrder): ImageTaskModel => {
    const picture = (source: ImageSource): Promise<RgbImage> => {
      assertWanted(order);
      return readPicture(source, decoder, openImage);
    };
    return {
      ...labels,
      config,
      preprocessor,
      picture,
      run: (feeds) => runner.run(feeds, order),
      async see(source, imageSize) {
        const image = await picture(source);
        if (imageSize) return atSize.run(image, imageSize, order);
        return runner.run({ pixel_values: preprocessor.batch([image]) }, order);
      },
    };
  };
  const slots = new Slots(picturesAtOnce);
  const inTurn: QuestionKind<ImageSource, Options, Answer, ImageTaskModel> = {
    ...definition,
    answer: (...question) => slots.run(() => definition.answer(...question)),
  };
  const release = async (): Promise<void> => {
    await otherSizes.release();
    await session.release();
  };
  return Predictor.over(task, inTurn, modelFor, { release });
}
