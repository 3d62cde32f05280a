/**
 * Training data of models that answer questions about pictures: of each question's answers one is drawn anew each epoch,
 * the likelier the more people gave it. B questions, A tokens of an answer.
 */

import { type PictureQuestion, pictureQuestions } from "../data/picture-questions.ts";
import { ignoredLabel } from "../nn/losses.ts";
import { Tensor } from "../tensor/tensor.ts";
import { vqaAccuracy } from "../train/metrics/vqa.ts";
import type { Batch } from "../train/step.ts";
import type { EncodedText } from "./batch-runner.ts";
import { decoderTexts } from "./caption-data.ts";
import { padded } from "./contrastive-data.ts";
import { CountingEncoder } from "./dataset.ts";
import { imageDataset } from "./image-dataset.ts";
import type { AnswerMetricOptions, PairDataRecipe, PairSetup } from "./pair-recipe.ts";
import { answerQuestions } from "./write-captions.ts";

export const pictureQuestionData: PairDataRecipe<PictureQuestion> = {
  name: "visual-question-answering",
  bestMetric: "loss",
  outputs: ["loss"],
  open: pictureQuestions,
  textsOf: ({ question, answers }) => [question, ...answers],
  answerMetrics: answerScores,
  datasetOf(pairs, setup) {
    const encoder = new CountingEncoder(setup);
    const spoken = decoderTexts(encoder, setup.config);
    const questions = pairs.map(({ question }) => encoder.encode(question));
    const answers = pairs.map((pair) => pair.answers.map(spoken));
    const dataset = imageDataset({
      ...setup,
      examples: pairs,
      finish(pixels, indices, random) {
        const asked = indices.map((at) => questions[at]!);
        const drawn = indices.map((at) => answers[at]![random.integer(answers[at]!.length)]!);
        return { pixel_values: pixels, ...padded(asked, setup), ...answerInputs(drawn, setup) };
      },
      evaluator: () => ({ add: () => undefined, result: () => ({}) }),
    });
    return { ...dataset, truncated: encoder.truncated };
  },
};

/** What the decoder reads, each [B, A], and what it is to say. */
function answerInputs(answers: readonly EncodedText[], setup: PairSetup): Batch {
  const { input_ids, attention_mask } = padded(answers, setup);
  const isToken = attention_mask.toNumbers();
  const labels = input_ids.toNumbers().map((id, at) => (isToken[at] ? id : ignoredLabel));
  return {
    decoder_input_ids: input_ids,
    decoder_attention_mask: attention_mask,
    labels: Tensor.from("int64", input_ids.shape, labels),
  };
}

/** `vqa_accuracy`, 0 to 1, of what the model answers. */
async function answerScores(
  questions: readonly PictureQuestion[],
  folder: string,
  { session }: AnswerMetricOptions,
): Promise<Record<string, number>> {
  const given = await answerQuestions(questions, folder, { session });
  const scores = given.map((answer, at) => vqaAccuracy(answer, questions[at]!.answers));
  return { vqa_accuracy: scores.reduce((sum, score) => sum + score, 0) / scores.length };
}
