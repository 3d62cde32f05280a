/** Pairs of which some have another's caption, as pairs from the web do. */

import type { ImageTextPair } from "../src/data/image-text-pairs.ts";
import { Random } from "../src/tensor/random.ts";

/** First captions, those of a share of the pairs being handed on among them, and the indices of these. */
export function withOthersCaptions(
  pairs: readonly ImageTextPair[],
  share: number,
): { captions: string[]; wrong: ReadonlySet<number> } {
  const order = new Random(1).shuffle(pairs.map((_, at) => at));
  const wrong = order.slice(0, Math.round(pairs.length * share));
  const captions = pairs.map((pair) => pair.captions[0]!);
  for (const [at, index] of wrong.entries())
    captions[index] = pairs[wrong[(at + 1) % wrong.length]!]!.captions[0]!;
  return { captions, wrong: new Set(wrong) };
}
