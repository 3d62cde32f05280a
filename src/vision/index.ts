/** Pictures: decoding, preprocessing as Hugging Face and torchvision do it, and training augmentation. */

export { type AugmentOptions, augment, exampleRandom } from "./augment.ts";
export { type ColorJitterOptions, colorJitter } from "./color-jitter.ts";
export { ImageDecoder, type ImageLimits } from "./decode.ts";
export { crop, flipHorizontally, type Region, type RgbImage, rgbImage, type Size } from "./image.ts";
export { type MixedBatch, type MixingOptions, mixBatch } from "./mixing.ts";
export { ImagePreprocessor, type PreprocessPlan } from "./preprocess.ts";
export { preprocessPlan, readPreprocessor } from "./preprocessor-config.ts";
export { type RandAugmentOptions, randAugment } from "./rand-augment.ts";
export { type RandomCropOptions, randomRegion } from "./random-crop.ts";
export { eraseRandomly, type RandomErasingOptions } from "./random-erasing.ts";
export { type Resample, resize } from "./resample.ts";
export { torchvisionPlan } from "./torchvision.ts";
