/**
 * Texts that go on from pictures and texts in one sequence, by models that read both: questions, captions, and prompts
 * with examples from which the model learns what is wanted. Alayrac et al. 2022, https://arxiv.org/abs/2204.14198
 * M pictures, F frames of each, C channels, H × W pixels.
 */

import { z } from "zod";
import { RequestError } from "../errors.ts";
import type { GenerationOptions } from "../generation/options.ts";
import { parseConfig } from "../models/config.ts";
import { type FlamingoConfig, flamingoConfigSchema } from "../models/flamingo.ts";
import { Tensor } from "../tensor/tensor.ts";
import { chunkEndMark, countImageMarks, encodeMarked, imageMark } from "../text/image-marks.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { cancellable } from "./cancellable-model.ts";
import { type ImageOpener, type ImageSource, imageSource, readPicture } from "./image-input.ts";
import type { OpenImageGenerator } from "./image-to-text.ts";
import { Predictor, type QuestionKind } from "./predictor.ts";
import { Slots } from "./slots.ts";
import { type GeneratedText, withoutEnd } from "./text-generation.ts";

/** A picture, or the frames of a video. */
export type Medium = ImageSource | readonly ImageSource[];

/** A text in which `<image>` stands for each of the images, `<|endofchunk|>` behind what is said of one. */
export interface MarkedPrompt {
  readonly images: readonly Medium[];
  readonly text: string;
}

/** A picture to write about, behind examples of what to write. */
export interface ExamplesPrompt {
  readonly image: Medium;
  /** What the answer goes on from. Default: nothing. */
  readonly text?: string | undefined;
  readonly examples?: readonly { readonly image: Medium; readonly text: string }[] | undefined;
}

const medium: z.ZodType<Medium> = z.union([imageSource, z.array(imageSource).min(1)]);
const marked = z.strictObject({ images: z.array(medium).min(1), text: z.string() });
const withExamples = z.strictObject({
  image: medium,
  text: z.string().optional(),
  examples: z.array(z.strictObject({ image: medium, text: z.string().min(1) })).optional(),
});

const input: z.ZodType<MarkedPrompt> = z.union(
  [
    marked,
    withExamples.transform(markedPrompt),
    imageSource.transform((image) => ({ images: [image], text: imageMark })),
  ],
  "must be a picture, images with a text that holds <image> for each, or an image with text and examples (image, text)",
);

/** The same in one text with marks. */
function markedPrompt({ image, text = "", examples = [] }: ExamplesPrompt): MarkedPrompt {
  const shots = examples.map((example) => imageMark + example.text + chunkEndMark);
  return {
    images: [...examples.map((example) => example.image), image],
    text: [...shots, imageMark, text].join(""),
  };
}

export interface InterleavedModel extends OpenImageGenerator {
  readonly flamingo: FlamingoConfig;
  readonly slots: Slots;
  /** `pixel_values` [M, F, C, H, W]. */
  pixels(images: readonly Medium[]): Promise<Tensor>;
}

/** What follows the prompt, best first; several where `num_return_sequences` asks for them. */
export const interleavedAnswers: QuestionKind<MarkedPrompt, object, GeneratedText[], InterleavedModel> = {
  input,
  options: z.looseObject({}),
  answer: (model, { images, text }, settings: GenerationOptions) =>
    model.slots.run(async () => {
      const { generator, tokenizer, flamingo } = model;
      assertImages(images, text, flamingo);
      const { mediaTokenId: image, textConfig } = flamingo;
      const ids = encodeMarked(tokenizer, text, { image, chunkEnd: textConfig.eosTokenId });
      const source = { pixel_values: await model.pixels(images) };
      const suppress_tokens = [image, ...(settings.suppress_tokens ?? [])]; // an answer shows no picture
      const [answers] = await generator.generate([{ ids, source }], { ...settings, suppress_tokens });
      return answers!.map((answer) => ({
        generated_text: tokenizer.decode(withoutEnd(answer), { skipSpecialTokens: true }).trim(),
      }));
    }),
};

/** @throws RequestError when marks and images differ in number, or the model has no place for so many. */
function assertImages(images: readonly Medium[], text: string, { perceiver }: FlamingoConfig): void {
  const marks = countImageMarks(text);
  if (marks !== images.length) {
    throw new RequestError(
      `prompt: must hold ${imageMark} for each of its ${images.length} images, got ${marks}`,
    );
  }
  const { maxNumMedia, maxNumFrames } = perceiver;
  if (maxNumMedia && images.length > maxNumMedia)
    throw new RequestError(`prompt: the model reads ${maxNumMedia} images at most, got ${images.length}`);
  const counts = [...new Set(images.map((one) => [one].flat().length))];
  if (counts.length > 1) {
    throw new RequestError(
      `prompt: all images must have as many frames, got ${counts.join(" and ")}; give each as a list of so many`,
    );
  }
  if (maxNumFrames && counts[0]! > maxNumFrames)
    throw new RequestError(`prompt: the model reads ${maxNumFrames} frames at most, got ${counts[0]}`);
}

/** Prompts whose pictures are read or that are written on at once, by all calls; bounds their memory. */
const promptsAtOnce = 16;

export function openInterleavedPredictor(
  task: string,
  model: OpenImageGenerator,
  open: ImageOpener | undefined,
): Predictor<GeneratedText[]> {
  const { preprocessor } = model;
  const decoder = new ImageDecoder({}, preprocessor.plan.background);
  const interleaved: InterleavedModel = {
    ...model,
    flamingo: parseConfig(flamingoConfigSchema, model.config, model.folder),
    slots: new Slots(promptsAtOnce),
    pixels: async (images) => {
      const pictures = images.flatMap((one) => [one].flat());
      const read = await Promise.all(pictures.map((source) => readPicture(source, decoder, open)));
      const { dtype, shape, data } = preprocessor.batch(read);
      const frames = pictures.length / images.length;
      return new Tensor(dtype, [images.length, frames, ...shape.slice(1)], data);
    },
  };
  return Predictor.over(
    task,
    interleavedAnswers,
    (order) => cancellable(interleaved, order),
    model.generator,
  );
}
