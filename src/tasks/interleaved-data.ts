/**
 * Training data of models that read pictures and texts in one sequence (Flamingo): of an example's answers one is drawn
 * anew each epoch, and what stands before it is given. B sequences, T tokens, M pictures of the sequence with most.
 */

import { type InterleavedExample, interleavedExamples } from "../data/interleaved.ts";
import { mediaTokensOf } from "../models/flamingo.ts";
import { ignoredLabel } from "../nn/losses.ts";
import { Tensor } from "../tensor/tensor.ts";
import { chunkEndMark, encodeMarked, type MarkIds } from "../text/image-marks.ts";
import { captionMetrics } from "../train/metrics/captions.ts";
import { vqaAccuracy } from "../train/metrics/vqa.ts";
import type { Batch } from "../train/step.ts";
import { padded } from "./contrastive-data.ts";
import { partSizesOf, pictureReader } from "./image-dataset.ts";
import type { AnswerMetricOptions, PairDataRecipe, PairSetup } from "./pair-recipe.ts";
import { continueExamples } from "./write-captions.ts";

export const interleavedData: PairDataRecipe<InterleavedExample> = {
  name: "image-text-to-text",
  bestMetric: "loss",
  outputs: ["loss"],
  open: interleavedExamples,
  textsOf: ({ answers }) => answers,
  answerMetrics: answerScores,
  datasetOf(examples, setup) {
    const marks = mediaTokensOf(setup.config);
    const sequences = examples.map((example) => sequencesOf(example, setup, marks));
    const pictures = pictureReader({ ...setup, examples: examples.flatMap((example) => example.pictures) });
    const places = placesOf(examples);
    return {
      lengths: examples.map(() => 1),
      partSizes: partSizesOf(examples),
      targetLengths: sequences.map(([first]) => first!.ids.length),
      truncated: sequences.filter((several) => several.some(({ isCut }) => isCut)).length,
      evaluator: () => ({ add: () => undefined, result: () => ({}) }),
      async collate(indices, _length, random, epoch) {
        const drawn = indices.map((at) => sequences[at]![random.integer(sequences[at]!.length)]!);
        const wanted = indices.map((at) => places[at]!);
        const pixels = await pictures(wanted.flat(), epoch);
        const counts = wanted.map((several) => several.length);
        return { pixel_values: mediaOf(pixels, counts), ...tokensOf(drawn, setup, marks) };
      },
    };
  },
};

/** A sequence of tokens, of which the first ones are given. */
interface Sequence {
  readonly ids: readonly number[];
  readonly given: number;
  /** Whether it was shortened. */
  readonly isCut: boolean;
}

/** One sequence for each answer; of a long one the prompt has half at most. */
function sequencesOf(
  { prompt, answers }: InterleavedExample,
  { tokenizer, maxLength }: PairSetup,
  marks: MarkIds,
): Sequence[] {
  const encode = (text: string): number[] => encodeMarked(tokenizer, text, marks);
  const given = encode(prompt);
  return answers.map((answer) => {
    const learned = encode(answer + chunkEndMark);
    const room = Math.max(maxLength - learned.length, Math.floor(maxLength / 2));
    const ids = [...given.slice(0, room), ...learned].slice(0, maxLength);
    const isCut = given.length + learned.length > maxLength;
    return { ids, given: Math.min(given.length, room), isCut };
  });
}

/** Where the pictures of each example stand among those of all. */
function placesOf(examples: readonly InterleavedExample[]): number[][] {
  let next = 0;
  return examples.map(({ pictures }) => pictures.map(() => next++));
}

/** Pixels [N, C, H, W] of as many pictures as each row has → [B, M, 1, C, H, W]; zeros stand for those a row lacks. */
function mediaOf({ shape: [, ...sizes], size, data }: Tensor, counts: readonly number[]): Tensor {
  const most = Math.max(...counts);
  const pictureSize = size / counts.reduce((sum, count) => sum + count, 0);
  const media = new Float32Array(counts.length * most * pictureSize);
  let from = 0;
  for (const [row, count] of counts.entries()) {
    const part = (data as Float32Array).subarray(from, from + count * pictureSize);
    media.set(part, row * most * pictureSize);
    from += part.length;
  }
  return new Tensor("float32", [counts.length, most, 1, ...sizes], media);
}

/** Ids, mask and labels [B, T]; neither what is given nor marks of pictures are asked for. */
function tokensOf(sequences: readonly Sequence[], setup: PairSetup, { image }: MarkIds): Batch {
  const texts = sequences.map(({ ids }) => ({ ids, typeIds: ids.map(() => 0) }));
  const inputs = padded(texts, setup);
  const length = inputs.input_ids.shape[1]!;
  const labels = sequences.flatMap(({ ids, given }) =>
    Array.from({ length }, (_, at) =>
      at < given || at >= ids.length || ids[at] === image ? ignoredLabel : ids[at]!,
    ),
  );
  return { ...inputs, labels: Tensor.from("int64", inputs.input_ids.shape, labels) };
}

/** Metrics of captions (`cider_d`, `bleu4`) or answers (`vqa_accuracy`); a document has nothing to compare with. */
async function answerScores(
  examples: readonly InterleavedExample[],
  folder: string,
  { session }: AnswerMetricOptions,
): Promise<Record<string, number>> {
  const { kind } = examples[0]!;
  if (kind === "document") return {};
  const written = await continueExamples(examples, folder, { session });
  const truths = examples.map(({ answers }) => answers);
  if (kind === "caption") return captionMetrics(written, truths);
  const scores = written.map((answer, at) => vqaAccuracy(answer, truths[at]!));
  return { vqa_accuracy: scores.reduce((sum, score) => sum + score, 0) / scores.length };
}
