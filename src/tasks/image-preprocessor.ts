/** The preprocessor of a model that is trained: made from its sizes and its data, or taken over from where it starts. */

import { join } from "node:path";
import { type ImageExample, loadPixels } from "../data/images.ts";
import { mapAhead } from "../data/map-ahead.ts";
import type { ConfigJson } from "../models/config.ts";
import type { ImageDecoder } from "../vision/decode.ts";
import type { Size } from "../vision/image.ts";
import { ImagePreprocessor, type PreprocessPlan } from "../vision/preprocess.ts";
import { preprocessorFile, preprocessPlan } from "../vision/preprocessor-config.ts";
import { resampleNames } from "../vision/resample.ts";
import { writeFileAtomic } from "../weights/atomic.ts";

/** Three numbers, of red, green and blue. */
export type ChannelValues = readonly [number, number, number];

export interface PreprocessorChoice {
  /** `preprocessor_config.json` of the model that training starts from. */
  readonly given?: ConfigJson | undefined;
  /** Instead of the given or measured ones; levels are 0 to 1. */
  readonly mean?: ChannelValues | undefined;
  readonly std?: ChannelValues | undefined;
  /** Levels 0 to 255 of the colour that transparent pictures are laid over. */
  readonly background?: ChannelValues | undefined;
}

/** Of the choice, or of the preprocessor that is given; by default transparency is dropped. */
export const backgroundOf = ({ background, given }: PreprocessorChoice): readonly number[] | undefined =>
  background ?? (given && preprocessPlan(given).background);

/**
 * The fields of `preprocessor_config.json`. A given one stays as it is where it makes pictures of the model's size and
 * nothing else is asked for; else its normalisation is kept.
 */
export async function choosePreprocessor(
  choice: PreprocessorChoice,
  size: Size,
  examples: readonly ImageExample[],
  decoder: ImageDecoder,
): Promise<ConfigJson> {
  const { given, mean, std, background } = choice;
  const plan = given && preprocessPlan(given);
  if (given && plan && isOfSize(plan, size) && !mean && !std && !background) return given;
  const known = { mean: mean ?? plan?.normalize?.mean, std: std ?? plan?.normalize?.std };
  const measured = known.mean && known.std ? undefined : await measureChannels(examples, size, decoder);
  return {
    image_processor_type: "ViTImageProcessor",
    ...(backgroundOf(choice) && { background_color: backgroundOf(choice) }),
    do_resize: true,
    size: { height: size.height, width: size.width },
    resample: resampleNames.indexOf(plan?.resize?.filter ?? "bicubic"),
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: known.mean ?? measured!.mean,
    image_std: known.std ?? measured!.std,
    ...(plan?.isBgr && { do_flip_channel_order: true }),
  };
}

/** Whether every picture comes out in this size. */
export function isOfSize({ crop, resize, pad }: PreprocessPlan, { width, height }: Size): boolean {
  const exact = resize && "width" in resize.rule ? resize.rule : undefined;
  const out = crop ?? exact;
  return pad === undefined && out?.width === width && out.height === height;
}

/** Pictures whose levels are measured. */
const measuredPictures = 1000;

/** Mean and standard deviation of each channel, levels from 0 to 1, over pictures spread evenly through the data. */
async function measureChannels(
  examples: readonly ImageExample[],
  size: Size,
  decoder: ImageDecoder,
): Promise<{ mean: ChannelValues; std: ChannelValues }> {
  const preprocessor = new ImagePreprocessor({ resize: { rule: size, filter: "bicubic" } });
  const every = Math.ceil(examples.length / measuredPictures);
  const chosen = examples.filter((_, at) => at % every === 0);
  const counts = [0, 1, 2].map(() => new Float64Array(256)); // how often each level occurs
  const load = async (example: ImageExample) => preprocessor.prepare(await loadPixels(example, decoder));
  for await (const { data } of mapAhead(chosen, load, 8)) {
    for (let at = 0; at < data.length; at++) counts[at % 3]![data[at]!]! += 1;
  }
  const moments = counts.map(momentsOf);
  const channels = (values: number[]): ChannelValues => values as [number, number, number];
  return {
    mean: channels(moments.map(({ mean }) => mean)),
    std: channels(moments.map(({ std }) => std)),
  };
}

/** To four digits. A channel of one level is not scaled. */
function momentsOf(counts: Float64Array): { mean: number; std: number } {
  let [total, sum, squares] = [0, 0, 0];
  for (const [level, count] of counts.entries()) {
    total += count;
    sum += (count * level) / 255;
    squares += count * (level / 255) ** 2;
  }
  const mean = sum / total;
  const std = Math.sqrt(Math.max(0, squares / total - mean ** 2));
  const round = (value: number): number => Number(value.toFixed(4));
  return { mean: round(mean), std: round(std) || 1 };
}

/** Writes the file of a model folder. */
export const savePreprocessor = (folder: string, fields: ConfigJson): Promise<void> =>
  writeFileAtomic(join(folder, preprocessorFile), `${JSON.stringify(fields, null, 2)}\n`);
