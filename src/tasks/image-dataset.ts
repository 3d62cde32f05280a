/** Data sets of pictures: decoded, changed and normalised ahead of the step. B batch, C channels, H × W pixels. */

import { runLengths } from "../data/buffered-shuffle.ts";
import type { ImageExample } from "../data/images.ts";
import { mapAhead } from "../data/map-ahead.ts";
import type { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Batch } from "../train/step.ts";
import type { Dataset, Evaluator } from "../train/task.ts";
import { augment, exampleRandom } from "../vision/augment.ts";
import type { ImageDecoder } from "../vision/decode.ts";
import type { RgbImage, Size } from "../vision/image.ts";
import type { ImagePreprocessor } from "../vision/preprocess.ts";
import { eraseRandomly } from "../vision/random-erasing.ts";
import type { ImageAugmentation } from "./image-augmentation.ts";
import { KeptImages } from "./kept-images.ts";

/** A data set of pictures that can score a model's outputs on it. */
export interface ImageDataset extends Dataset {
  collate(indices: readonly number[], length: number, random: Random, epoch: number): Promise<Batch>;
  evaluator(): Evaluator;
}

/** Pictures, and what is done to them. */
interface PictureParts {
  readonly examples: readonly ImageExample[];
  readonly decoder: ImageDecoder;
  readonly preprocessor: ImagePreprocessor;
  /** Of the pixels that the model reads. */
  readonly size: Size;
  /** Left out in evaluation. */
  readonly augmentation?: ImageAugmentation | undefined;
  readonly seed: number;
}

interface ImageDatasetParts extends PictureParts {
  /** The batch of pixels [B, C, H, W], which may be mixed, with its labels or whatever else the model reads. */
  finish(pixels: Tensor, indices: readonly number[], random: Random): Batch;
  evaluator(): Evaluator;
}

/** Pictures of a batch that are decoded or wait at a time; bounds their memory. */
const picturesAhead = 16;

/** Each picture's changes follow from (seed, epoch, index) alone, what is done to a whole batch from the batch's number. */
export function imageDataset(parts: ImageDatasetParts): ImageDataset {
  const { examples, finish, evaluator } = parts;
  const pictures = pictureReader(parts);
  return {
    lengths: examples.map(() => 1),
    partSizes: partSizesOf(examples),
    evaluator,
    collate: async (indices, _length, random, epoch) =>
      finish(await pictures(indices, epoch), indices, random),
  };
}

/** Pixels [N, C, H, W] of the pictures at some indices, as one epoch sees them. */
export function pictureReader(
  parts: PictureParts,
): (indices: readonly number[], epoch: number) => Promise<Tensor> {
  const { examples, decoder, preprocessor, augmentation } = parts;
  const prepare = augmentation ? undefined : (image: RgbImage) => preprocessor.prepare(image);
  const images = new KeptImages(examples, decoder, prepare);
  const picture = async (index: number, epoch: number): Promise<Tensor> => {
    const image = await images.at(index);
    return augmentation ? changed(image, augmentation, parts, epoch, index) : preprocessor.tensorOf([image]);
  };
  return async (indices, epoch) => {
    const pictures: Tensor[] = [];
    for await (const one of mapAhead(indices, (index) => picture(index, epoch), picturesAhead))
      pictures.push(one);
    return stackPictures(pictures);
  };
}

/** Of pictures that lie in several shards. */
export function partSizesOf(examples: readonly ImageExample[]): number[] | undefined {
  const sizes = runLengths(examples.map(({ part }) => part));
  return sizes.length > 1 ? sizes : undefined;
}

/** A picture as one training epoch sees it, [1, C, H, W]. */
function changed(
  image: RgbImage,
  { picture, erasing }: ImageAugmentation,
  { size, preprocessor, seed }: PictureParts,
  epoch: number,
  index: number,
): Tensor {
  const random = exampleRandom(seed, epoch, index);
  const filter = preprocessor.plan.resize?.filter ?? "bicubic";
  const pixels = preprocessor.tensorOf([augment(image, { ...picture, size, filter }, random)]);
  if (erasing) eraseRandomly(pixels.data as Float32Array, size, erasing, random.fork("erase"));
  return pixels;
}

/** Several [1, C, H, W] of one size → [B, C, H, W]. */
function stackPictures(pictures: readonly Tensor[]): Tensor {
  const [, ...shape] = pictures[0]!.shape;
  const size = pictures[0]!.size;
  const data = new Float32Array(pictures.length * size);
  for (const [at, picture] of pictures.entries()) data.set(picture.data as Float32Array, at * size);
  return new Tensor("float32", [pictures.length, ...shape], data);
}
