/** Captions of pictures, and answers to questions about them, by models that write while they look at one picture. */

import { z } from "zod";
import type { OpenGenerator } from "../generation/open-generator.ts";
import type { GenerationOptions } from "../generation/options.ts";
import type { ConfigJson } from "../models/config.ts";
import { Tensor } from "../tensor/tensor.ts";
import { ImageDecoder } from "../vision/decode.ts";
import type { ImagePreprocessor } from "../vision/preprocess.ts";
import { cancellable } from "./cancellable-model.ts";
import { type ImageOpener, type ImageSource, imageSource, readPicture } from "./image-input.ts";
import { maxLengthOf, Predictor, type QuestionKind } from "./predictor.ts";
import { Slots } from "./slots.ts";
import type { GeneratedText } from "./text-generation.ts";

/** A model that writes about pictures. */
export interface OpenImageGenerator extends OpenGenerator {
  readonly preprocessor: ImagePreprocessor;
}

export interface CaptionModel extends OpenImageGenerator {
  readonly slots: Slots;
  /** `pixel_values` [C, H, W]. */
  pixels(source: ImageSource): Promise<Tensor>;
}

/** Those of generation, which checks them, and: */
const captionOptions = z.looseObject({
  /** What a caption begins with; captions hold it. */
  prompt: z.string().optional(),
});

/** Captions, best first; several where `num_return_sequences` asks for them. */
export const captionAnswers: QuestionKind<
  ImageSource,
  z.infer<typeof captionOptions>,
  GeneratedText[],
  CaptionModel
> = {
  input: imageSource,
  options: captionOptions,
  answer: (model, source, { prompt, ...settings }) =>
    model.slots.run(async () => {
      const { generator, tokenizer } = model;
      const words = prompt ? tokenizer.encode(prompt, undefined, { addSpecialTokens: false }).ids : [];
      const ids = [generator.defaults.bos_token_id!, ...words];
      const pixel_values = await model.pixels(source);
      const [answers] = await generator.generate(
        [{ ids, source: { pixel_values } }],
        settings as GenerationOptions,
      );
      return answers!.map((answer) => ({
        generated_text: tokenizer.decode([...ids, ...answer.ids], { skipSpecialTokens: true }).trim(),
      }));
    }),
};

/** A picture and what is asked about it. */
const question = z.strictObject({ image: imageSource, question: z.string().min(1) });

export interface PictureAnswer {
  readonly answer: string;
}

export const pictureQuestionAnswers: QuestionKind<
  z.infer<typeof question>,
  object,
  PictureAnswer[],
  CaptionModel
> = {
  input: question,
  options: z.looseObject({}),
  answer: (model, { image, question: text }, settings) =>
    model.slots.run(async () => {
      const { generator, tokenizer } = model;
      const maxLength = maxLengthOf(model.config.text_config as ConfigJson, tokenizer, model.folder);
      const { ids } = tokenizer.encode(text, undefined, { maxLength });
      const source = {
        pixel_values: await model.pixels(image),
        input_ids: Tensor.from("int64", [ids.length], ids),
      };
      const [answers] = await generator.generate([{ source }], settings as GenerationOptions);
      return answers!.map((answer) => ({
        answer: tokenizer.decode(answer.ids, { skipSpecialTokens: true }).trim(),
      }));
    }),
};

/** Pictures that are read, decoded or written about at once, by all calls; bounds their memory. */
const picturesAtOnce = 32;

export function openPictureTextPredictor(
  task: "image-to-text" | "visual-question-answering",
  model: OpenImageGenerator,
  open: ImageOpener | undefined,
): Predictor {
  const decoder = new ImageDecoder({}, model.preprocessor.plan.background);
  const captions: CaptionModel = {
    ...model,
    slots: new Slots(picturesAtOnce),
    pixels: async (source) => {
      const { dtype, shape, data } = model.preprocessor.batch([await readPicture(source, decoder, open)]);
      return new Tensor(dtype, shape.slice(1), data);
    },
  };
  return task === "image-to-text"
    ? Predictor.over(task, captionAnswers, (order) => cancellable(captions, order), model.generator)
    : Predictor.over(task, pictureQuestionAnswers, (order) => cancellable(captions, order), model.generator);
}
