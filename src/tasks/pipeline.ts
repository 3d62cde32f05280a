/** `pipeline(task, model)`: one function from inputs to answers, called as transformers.js's and Python's are. */

import { ConfigError } from "../errors.ts";
import type { GenerationOptions } from "../generation/options.ts";
import type { OpenOptions } from "../models/open.ts";
import type { BatchOrder } from "./batch-order.ts";
import type { BatchOptions } from "./batch-runner.ts";
import type { Features } from "./feature-extraction.ts";
import { FeatureTensor } from "./feature-tensor.ts";
import type { FilledMask } from "./fill-mask.ts";
import { findModel } from "./find-model.ts";
import { type ImageSource, openImageSource } from "./image-input.ts";
import type { TextMatch } from "./image-text-matching.ts";
import type { ExamplesPrompt, MarkedPrompt } from "./image-text-to-text.ts";
import type { PictureAnswer } from "./image-to-text.ts";
import type { Reconstruction } from "./masked-image.ts";
import type { ScoredChoice } from "./multiple-choice.ts";
import { openForTask, releaseModel } from "./open-for-task.ts";
import type { Predictor } from "./predictor.ts";
import type { Answer } from "./question-answering.ts";
import type { Similarity } from "./sentence-similarity.ts";
import { type AnswerTaskName, answerTaskNames, predictor } from "./tasks.ts";
import type { LabelScore } from "./text-classification.ts";
import { type GeneratedText, type GenerationDetails, streamText } from "./text-generation.ts";
import type { GroupedEntity, TokenEntity } from "./token-classification.ts";
import type { Translation } from "./translation.ts";

export interface PipelineOptions
  extends BatchOptions,
    Pick<OpenOptions, "provider" | "forceProvider" | "precision" | "threads" | "patience"> {}

/** What every pipeline has beside its call. */
export interface PipelineBase {
  readonly task: AnswerTaskName;
  /** Frees the model. */
  dispose(): Promise<void>;
}

type Text = string | { readonly text: string };
type TextOrPair = Text | { readonly text: string; readonly text_pair: string };

export interface TextClassificationPipeline extends PipelineBase {
  /** The best label; with `top_k` other than 1 the best labels (null: all). */
  (text: TextOrPair, options?: { top_k?: number | null }): Promise<LabelScore[]>;
  /** One label for each text; with `top_k` other than 1 a list for each. */
  (texts: readonly TextOrPair[], options?: { top_k?: 1 }): Promise<LabelScore[]>;
  (texts: readonly TextOrPair[], options: { top_k: number | null }): Promise<LabelScore[][]>;
}

export interface TaggingOptions {
  ignore_labels?: string[];
}

type Grouping = { aggregation_strategy: "simple" | "first" | "max" | "average" };

export interface TokenClassificationPipeline extends PipelineBase {
  (text: Text, options: TaggingOptions & Grouping): Promise<GroupedEntity[]>;
  (texts: readonly Text[], options: TaggingOptions & Grouping): Promise<GroupedEntity[][]>;
  (text: Text, options?: TaggingOptions & { aggregation_strategy?: "none" }): Promise<TokenEntity[]>;
  (
    texts: readonly Text[],
    options?: TaggingOptions & { aggregation_strategy?: "none" },
  ): Promise<TokenEntity[][]>;
}

export interface QuestionOptions {
  top_k?: number;
  max_answer_len?: number;
  max_seq_len?: number;
  doc_stride?: number;
  handle_impossible_answer?: boolean;
  null_score_diff_threshold?: number;
}

type Question = { readonly question: string; readonly context: string };

export interface QuestionAnsweringPipeline extends PipelineBase {
  /** The best answer; with `top_k` above 1 a list of answers. */
  (question: string, context: string, options?: QuestionOptions & { top_k?: 1 }): Promise<Answer>;
  (question: string, context: string, options: QuestionOptions): Promise<Answer[]>;
  (question: Question, options?: QuestionOptions & { top_k?: 1 }): Promise<Answer>;
  (question: Question, options: QuestionOptions): Promise<Answer[]>;
  (questions: readonly Question[], options?: QuestionOptions & { top_k?: 1 }): Promise<Answer[]>;
  (questions: readonly Question[], options: QuestionOptions): Promise<Answer[][]>;
}

export interface FillMaskPipeline extends PipelineBase {
  /** Tokens for the mask; a list for each mask where the text has several. */
  (text: Text, options?: { top_k?: number; targets?: string | string[] }): Promise<FilledMask[]>;
  (
    texts: readonly Text[],
    options?: { top_k?: number; targets?: string | string[] },
  ): Promise<FilledMask[][]>;
}

export interface FeatureExtractionPipeline extends PipelineBase {
  /** [B, T, D], or [B, D] with pooling; texts shorter than T end in zeros. */
  (
    texts: Text | readonly Text[],
    options?: { pooling?: "none" | "mean" | "cls"; normalize?: boolean },
  ): Promise<FeatureTensor>;
}

type TextPair = { readonly text: string; readonly text_pair: string };

export interface SentenceSimilarityPipeline extends PipelineBase {
  /** The cosine of each pair's vectors. */
  (pair: TextPair, options?: { pooling?: "mean" | "cls" }): Promise<Similarity>;
  (pairs: readonly TextPair[], options?: { pooling?: "mean" | "cls" }): Promise<Similarity[]>;
}

/** Hugging Face's options of generation, and whether answers begin with the prompt (default true). */
export interface TextGenerationOptions extends GenerationOptions {
  return_full_text?: boolean;
}

type Choices = { readonly prompt: string; readonly choices: readonly string[] };

export interface MultipleChoicePipeline extends PipelineBase {
  (question: Choices, options?: { top_k?: number | null }): Promise<ScoredChoice[]>;
  (questions: readonly Choices[], options?: { top_k?: number | null }): Promise<ScoredChoice[][]>;
}

export interface TextGenerationPipeline extends PipelineBase {
  /** The text with what follows it; several answers, best first, where `num_return_sequences` asks for them. */
  (text: Text, options?: TextGenerationOptions): Promise<GeneratedText[]>;
  (texts: readonly Text[], options?: TextGenerationOptions): Promise<GeneratedText[][]>;
  /** What follows a text, in pieces as they come, and then how it ended; leaving the loop early stops the work. */
  stream(text: string, options?: GenerationOptions): AsyncGenerator<string, GenerationDetails>;
}

export interface TranslationPipeline extends PipelineBase {
  /** The translation; several, best first, where `num_return_sequences` asks for them. */
  (text: Text, options?: GenerationOptions): Promise<Translation[]>;
  /** One translation of each text; with `num_return_sequences` a list for each. */
  (
    texts: readonly Text[],
    options?: GenerationOptions & { num_return_sequences?: 1 },
  ): Promise<Translation[]>;
  (texts: readonly Text[], options: GenerationOptions): Promise<Translation[][]>;
}

export interface SizedImageOptions {
  /** Pixels of both sides, or [height, width], at most 1024; default: those that the model was trained at. */
  image_size?: number | [number, number];
}

export interface ImageClassificationPipeline extends PipelineBase {
  /** The best labels of a picture, given by its path, address, bytes or pixels; `top_k` null: all. */
  (image: ImageSource, options?: SizedImageOptions & { top_k?: number | null }): Promise<LabelScore[]>;
  (
    images: readonly ImageSource[],
    options?: SizedImageOptions & { top_k?: number | null },
  ): Promise<LabelScore[][]>;
}

export interface ImageFeatureExtractionPipeline extends PipelineBase {
  /** [B, T, D], or with `pool` [B, D]. */
  (
    images: ImageSource | readonly ImageSource[],
    options?: SizedImageOptions & { pool?: boolean | null },
  ): Promise<FeatureTensor>;
}

export interface MaskedImagePipeline extends PipelineBase {
  /** A picture of the original, what is seen of it and what is made of that; `seed` draws what is hidden. */
  (image: ImageSource, options?: { seed?: number }): Promise<Reconstruction>;
  (images: readonly ImageSource[], options?: { seed?: number }): Promise<Reconstruction[]>;
}

export interface ZeroShotOptions {
  /** A text for each label, `{}` being the label; of several, a label is compared by their mean. */
  hypothesis_template?: string | string[];
}

export interface ZeroShotImageClassificationPipeline extends PipelineBase {
  /** Every label with its score, best first. */
  (image: ImageSource, labels: readonly string[], options?: ZeroShotOptions): Promise<LabelScore[]>;
  (
    images: readonly ImageSource[],
    labels: readonly string[],
    options?: ZeroShotOptions,
  ): Promise<LabelScore[][]>;
}

/** Hugging Face's options of generation, and the beginning of the caption. */
export interface CaptionOptions extends GenerationOptions {
  prompt?: string;
}

export interface ImageToTextPipeline extends PipelineBase {
  /** A caption; several, best first, where `num_return_sequences` asks for them. */
  (image: ImageSource, options?: CaptionOptions): Promise<GeneratedText[]>;
  (images: readonly ImageSource[], options?: CaptionOptions): Promise<GeneratedText[][]>;
}

type PictureQuestion = { readonly image: ImageSource; readonly question: string };

export interface VisualQuestionAnsweringPipeline extends PipelineBase {
  /** The answer; several, best first, where `num_return_sequences` asks for them. */
  (image: ImageSource, question: string, options?: GenerationOptions): Promise<PictureAnswer[]>;
  (questions: readonly PictureQuestion[], options?: GenerationOptions): Promise<PictureAnswer[][]>;
}

type PicturePrompt = ImageSource | MarkedPrompt | ExamplesPrompt;

export interface ImageTextToTextPipeline extends PipelineBase {
  /** What follows a prompt of pictures and texts; several, best first, where `num_return_sequences` asks for them. */
  (prompt: PicturePrompt, options?: GenerationOptions): Promise<GeneratedText[]>;
  (prompts: readonly PicturePrompt[], options?: GenerationOptions): Promise<GeneratedText[][]>;
}

type ImageAndTexts = { readonly image: ImageSource; readonly text: string | readonly string[] };

export interface ImageTextMatchingPipeline extends PipelineBase {
  /**
   * Texts as labels, best first: by a BLIP the probability that they match the picture, by a CLIP the logit; and the
   * cosine of the vectors of picture and text.
   */
  (image: ImageSource, text: string): Promise<TextMatch[]>;
  (pair: ImageAndTexts): Promise<TextMatch[]>;
  (pairs: readonly ImageAndTexts[]): Promise<TextMatch[][]>;
}

/** The pipeline of each task; `sentiment-analysis` and `ner` are other names. */
export interface PipelineByTask {
  "text-classification": TextClassificationPipeline;
  "sentiment-analysis": TextClassificationPipeline;
  "token-classification": TokenClassificationPipeline;
  ner: TokenClassificationPipeline;
  "question-answering": QuestionAnsweringPipeline;
  "fill-mask": FillMaskPipeline;
  "feature-extraction": FeatureExtractionPipeline;
  "sentence-similarity": SentenceSimilarityPipeline;
  "multiple-choice": MultipleChoicePipeline;
  "text-generation": TextGenerationPipeline;
  translation: TranslationPipeline;
  "image-classification": ImageClassificationPipeline;
  "image-feature-extraction": ImageFeatureExtractionPipeline;
  "masked-image-modeling": MaskedImagePipeline;
  "zero-shot-image-classification": ZeroShotImageClassificationPipeline;
  "image-to-text": ImageToTextPipeline;
  "visual-question-answering": VisualQuestionAnsweringPipeline;
  "image-text-to-text": ImageTextToTextPipeline;
  "image-text-matching": ImageTextMatchingPipeline;
}

const otherNames: Readonly<Record<string, AnswerTaskName>> = {
  "sentiment-analysis": "text-classification",
  ner: "token-classification",
};

/**
 * Opens a model for a task. `model` is a local folder, a version in the store or a name on the hub.
 * @throws ConfigError for an unknown task or model, or a model of another task.
 */
export async function pipeline<T extends keyof PipelineByTask>(
  task: T,
  model: string,
  { maxBatchTokens, ...session }: PipelineOptions = {},
): Promise<PipelineByTask[T]> {
  const name = answerTaskNames.find((known) => known === (otherNames[task] ?? task));
  if (!name) {
    throw new ConfigError(`pipeline: there is no task "${task}"; known are ${answerTaskNames.join(", ")}`, {
      code: "unsupported",
    });
  }
  const opened = await openForTask(await findModel(model), name, session);
  try {
    const answers = predictor(opened, { task: name, maxBatchTokens, openImage: openImageSource });
    const call = (...args: unknown[]): Promise<unknown> => run(name, answers, args);
    const extras: PipelineBase = { task: name, dispose: () => answers.release() };
    const stream = "generator" in opened && { stream: streamText.bind(undefined, opened) };
    return Object.assign(call, extras, stream) as PipelineByTask[T];
  } catch (error) {
    await releaseModel(opened);
    throw error;
  }
}

/** One call: reads the arguments, asks for answers, and gives them the shape that callers expect. */
function run(task: AnswerTaskName, answers: Predictor, args: readonly unknown[]): Promise<unknown> {
  const { inputs, options } = readArguments(task, args);
  return answer(answers, inputs, options);
}

/**
 * The answer to one input or the list of answers to a list, in the shapes of transformers.js.
 * @throws as `Predictor.predict`.
 */
export async function answer(
  answers: Predictor,
  inputs: unknown,
  options: object,
  order?: BatchOrder,
): Promise<unknown> {
  const isList = Array.isArray(inputs);
  const results = await answers.predict(isList ? inputs : [inputs], options, order);
  if (answers.task.endsWith("feature-extraction")) return FeatureTensor.stack(results as Features[]);
  const { top_k = 1 } = options as { top_k?: number | null };
  const isSingle = top_k === 1;
  if (answers.task === "text-classification" && isSingle) return results.flat();
  const shaped = answers.task === "question-answering" && isSingle ? results.flat() : results;
  if (!isList) return shaped[0];
  const { num_return_sequences = 1 } = options as { num_return_sequences?: number };
  return answers.task === "translation" && num_return_sequences === 1 ? results.flat() : shaped;
}

function readArguments(task: AnswerTaskName, args: readonly unknown[]): { inputs: unknown; options: object } {
  const [first, second, third] = args;
  const options = (third ?? {}) as object;
  const isSpread = typeof second === "string";
  if (task === "question-answering" && isSpread)
    return { inputs: { question: first, context: second }, options };
  if (task === "visual-question-answering" && isSpread)
    return { inputs: { image: first, question: second }, options };
  if (task === "image-text-matching" && isSpread) return { inputs: { image: first, text: second }, options };
  if (task === "zero-shot-image-classification")
    return { inputs: first, options: { candidate_labels: second, ...options } };
  return { inputs: first, options: (second ?? {}) as object };
}
