/** Retrieval in two stages: many candidates by cosines, the best of them looked at closely. N texts, I images. */

import type { ImageTextPair } from "../data/image-text-pairs.ts";
import { loadPixels } from "../data/images.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { retrievalRecall } from "../train/metrics/retrieval.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { ImageTextMatcher, type SeenImage } from "./image-text-matcher.ts";
import { topIndices } from "./scores.ts";

/** Candidates of a text, and of an image. */
const candidates = 32;

/** Lifts what was looked at closely above all else; cosines are at most 1 and log odds far smaller. */
const lift = 1e4;

/**
 * Recall of the cosines alone, `itc_…`, and after the best candidates of every text and image have been ordered by the
 * log odds that they match plus their cosine, `itm_…`. Li et al. 2022, https://arxiv.org/abs/2201.12086
 */
export async function rerankingScores(
  pairs: readonly ImageTextPair[],
  folder: string,
  options: SessionOptions = {},
): Promise<Record<string, number>> {
  const matcher = await ImageTextMatcher.open(folder, options);
  try {
    const decoder = new ImageDecoder({}, matcher.preprocessor.plan.background);
    const see = async (at: number): Promise<SeenImage> => matcher.see(await loadPixels(pairs[at]!, decoder));
    const texts = pairs.flatMap(({ captions }, image) => captions.map((text) => ({ text, image })));
    const cosines = await cosinesOf(matcher, texts, pairs.length, see);
    const reranked = cosines.map((row) => Float64Array.from(row));
    for (const [image, chosen] of candidatesOf(cosines, pairs.length).entries()) {
      const logOdds = await matcher.match(
        await see(image),
        chosen.map((text) => texts[text]!.text),
      );
      for (const [at, text] of chosen.entries()) reranked[text]![image]! += lift + logOdds[at]!;
    }
    const owners = texts.map(({ image }) => image);
    const recall = (scores: readonly ArrayLike<number>[]) =>
      retrievalRecall(owners, pairs.length, (text) => scores[text]!);
    return { ...named("itc", recall(cosines)), ...named("itm", recall(reranked)) };
  } finally {
    await matcher.release();
  }
}

/** Of every text with every image, [N][I]. */
async function cosinesOf(
  matcher: ImageTextMatcher,
  texts: readonly { readonly text: string }[],
  imageCount: number,
  see: (at: number) => Promise<SeenImage>,
): Promise<Float64Array[]> {
  const vectors = await matcher.read(texts.map(({ text }) => text));
  const cosines = vectors.map(() => new Float64Array(imageCount));
  for (let image = 0; image < imageCount; image++) {
    const { features } = await see(image);
    for (const [text, vector] of vectors.entries())
      cosines[text]![image] = vector.reduce((sum, value, at) => sum + value * features[at]!, 0);
  }
  return cosines;
}

/** For each image the texts that are looked at with it: its own best, and those whose best it is among. */
function candidatesOf(cosines: readonly Float64Array[], imageCount: number): number[][] {
  const chosen = Array.from({ length: imageCount }, (_, image) => {
    const own = cosines.map((row) => row[image]!);
    return new Set(topIndices(own, candidates));
  });
  for (const [text, row] of cosines.entries())
    for (const image of topIndices([...row], candidates)) chosen[image]!.add(text);
  return chosen.map((texts) => [...texts]);
}

const named = (prefix: string, recall: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(recall).map(([name, value]) => [`${prefix}_${name}`, value]));
