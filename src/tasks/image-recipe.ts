/** What every image task's preparation is made of. */

import type { ImageExample } from "../data/images.ts";
import type { ConfigJson } from "../models/config.ts";
import type { TaskName } from "../models/model.ts";
import type { ImageDecoder } from "../vision/decode.ts";
import type { Size } from "../vision/image.ts";
import type { ImagePreprocessor } from "../vision/preprocess.ts";
import type { ImageAugmentation } from "./image-augmentation.ts";
import type { ImageDataset } from "./image-dataset.ts";

/** What pictures are prepared with. */
export interface ImageSetup {
  /** Of the model, with its labels. */
  readonly config: ConfigJson;
  readonly preprocessor: ImagePreprocessor;
  /** Pixels of the pictures that the model reads. */
  readonly size: Size;
  readonly decoder: ImageDecoder;
  readonly augmentation?: ImageAugmentation | undefined;
  readonly seed: number;
}

/** How a task makes training data of pictures. */
export interface ImageDataRecipe {
  readonly name: TaskName;
  readonly bestMetric: string;
  /** Outputs that its evaluator reads. */
  readonly outputs: readonly string[];
  /** Least share of a picture that a random part has by default. */
  readonly leastCrop: number;
  /** Fields that the examples add to config.json. @throws ConfigError when they are of no use. */
  configOf(examples: readonly ImageExample[]): ConfigJson;
  /** @throws ConfigError for examples that the config's labels do not fit. */
  datasetOf(examples: readonly ImageExample[], setup: ImageSetup): ImageDataset;
}
