/** Pictures and texts as vectors of one space: by the two towers of a CLIP, or those of a BLIP that matches. */

import { readConfig } from "../models/config.ts";
import { isMatcher } from "../models/open-matcher.ts";
import { type OpenTowers, openTowers, releaseTowers } from "../models/open-towers.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { ClassVectors } from "../tasks/class-vectors.ts";
import { ImageRunner } from "../tasks/image-runner.ts";
import { ImageTextMatcher } from "../tasks/image-text-matcher.ts";
import type { RgbImage } from "../vision/image.ts";
import type { ImagePreprocessor } from "../vision/preprocess.ts";

/** Vectors have P features and length 1. */
export interface PairEncoder {
  readonly preprocessor: ImagePreprocessor;
  /** The model where it looks at pictures and texts together, too. */
  readonly matcher?: ImageTextMatcher;
  /** Calls under way share batches. */
  image(image: RgbImage): Promise<Float32Array>;
  texts(texts: readonly string[]): Promise<readonly Float32Array[]>;
  release(): Promise<void>;
}

/** @throws ConfigError or WeightError when the folder is incomplete, damaged or of a model without two towers. */
export async function openPairEncoder(folder: string, options: SessionOptions = {}): Promise<PairEncoder> {
  return isMatcher(await readConfig(folder))
    ? matcherEncoder(await ImageTextMatcher.open(folder, options))
    : towersEncoder(await openTowers(folder, options));
}

function towersEncoder(model: OpenTowers): PairEncoder {
  const runner = new ImageRunner(model.images, ["image_embeds"]);
  const [pixels] = model.images.inputs;
  const vectors = new ClassVectors(model);
  return {
    preprocessor: model.preprocessor,
    image: async (image) => {
      const outputs = await runner.run({ [pixels!.name]: model.preprocessor.batch([image]) });
      return outputs.image_embeds!.data as Float32Array;
    },
    texts: (texts) => vectors.of(texts, ["{}"]),
    release: () => releaseTowers(model),
  };
}

const matcherEncoder = (matcher: ImageTextMatcher): PairEncoder => ({
  preprocessor: matcher.preprocessor,
  matcher,
  image: async (image) => Float32Array.from((await matcher.see(image)).features),
  texts: async (texts) => (await matcher.read(texts)).map((vector) => Float32Array.from(vector)),
  release: () => matcher.release(),
});
