/** A picture and a text as a model reads them, and the outputs of its two halves. T tokens. */

import type { ConfigJson } from "../models/config.ts";
import { usedGraph } from "../models/trace.ts";
import { maxLengthOf } from "../tasks/predictor.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type RgbImage, rgbImage, type Size } from "../vision/image.ts";
import { ImagePreprocessor, type PreprocessPlan } from "../vision/preprocess.ts";
import { type PairHalves, pairHalves } from "./pair-halves.ts";
import type { ModelRunner } from "./runner.ts";
import { type TokenizedInput, tokenizeInput } from "./tokens.ts";

export interface PairReading {
  readonly runner: ModelRunner;
  readonly halves: PairHalves;
  readonly tokenizer: Tokenizer;
  readonly tokenized: TokenizedInput;
  readonly picture: RgbImage;
  /** The picture as `pixel_values` [1, C, H, W]. */
  readonly pixels: Tensor;
  /** The same of a picture of one colour. */
  readonly plainPixels: Tensor;
  /** Points of integrated gradients, from 1. */
  readonly steps: number;
}

interface PairSources {
  readonly tokenizer: Tokenizer;
  readonly plan: PreprocessPlan;
  /** As it was decoded. */
  readonly picture: RgbImage;
  readonly text: string;
  readonly steps: number;
}

/** @throws RequestError for an empty text; ConfigError for a model that is not explained. */
export function readPair(runner: ModelRunner, { picture: given, ...sources }: PairSources): PairReading {
  const { tokenizer, plan, text, steps } = sources;
  const { config, folder } = runner;
  const maxLength = maxLengthOf(textConfigOf(config), tokenizer, folder);
  const tokenized = tokenizeInput(tokenizer, text, undefined, maxLength);
  const preprocessor = new ImagePreprocessor(plan);
  const picture = preprocessor.prepare(given);
  return {
    runner,
    halves: pairHalves(runner, tokenized.encoding.length),
    tokenizer,
    tokenized,
    picture,
    pixels: preprocessor.tensorOf([picture]),
    plainPixels: preprocessor.tensorOf([plainPicture(picture, plan.background)]),
    steps,
  };
}

/** A CLIP's own default is 77 positions. */
const textConfigOf = ({ model_type, text_config }: ConfigJson): ConfigJson => ({
  ...(model_type === "clip" && { max_position_embeddings: 77 }),
  ...(text_config as ConfigJson | undefined),
});

/** A picture of the colour that transparency becomes, black by default. */
function plainPicture(size: Size, colour: readonly number[] = [0, 0, 0]): RgbImage {
  const image = rgbImage(size);
  for (let at = 0; at < image.data.length; at++) image.data[at] = colour[at % 3]!;
  return image;
}

/** Rows of T ids as the model's input. */
export const idsTensor = (rows: readonly (readonly number[])[]): Tensor =>
  Tensor.from("int64", [rows.length, rows[0]!.length], rows.flat());

type Named = Readonly<Record<string, Tensor>>;

/** The first half's output, as the second reads it: `seen` [1, …]. */
export async function seenPicture({ runner, halves, pixels }: PairReading): Promise<Named> {
  const { names, seen, pixels: input } = halves;
  const [outputs] = await runner.run(usedGraph({ seen }, [input], names), [{ pixel_values: pixels }]);
  return outputs!;
}

/** Outputs of the second half for rows of T ids. */
export async function textOutputs(
  { runner, halves: { text } }: PairReading,
  rows: readonly (readonly number[])[],
  seen: Named,
  wanted: readonly string[],
): Promise<Named> {
  const outputs = Object.fromEntries(wanted.map((name) => [name, text.outputs[name]!]));
  const feeds = { ...seen, input_ids: idsTensor(rows) };
  const [result] = await runner.run(usedGraph(outputs, text.inputs, text.names), [feeds]);
  return result!;
}
