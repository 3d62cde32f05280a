/** Metrics of the captions that a model writes of pictures. */

import type { ImageTextPair } from "../data/image-text-pairs.ts";
import { readConfig } from "../models/config.ts";
import { isMatcher } from "../models/open-matcher.ts";
import { captionMetrics } from "../train/metrics/captions.ts";
import type { AnswerMetricOptions } from "./pair-recipe.ts";
import { rerankingScores } from "./reranking.ts";
import { writeCaptions } from "./write-captions.ts";

/** `cider_d` and `bleu4`; for a model that matches texts with pictures too, also how well it retrieves. */
export async function captionScores(
  pairs: readonly ImageTextPair[],
  folder: string,
  { session }: AnswerMetricOptions = {},
): Promise<Record<string, number>> {
  const captions = await writeCaptions(pairs, folder, { session });
  const metrics = captionMetrics(
    captions,
    pairs.map((pair) => pair.captions),
  );
  if (!isMatcher(await readConfig(folder))) return metrics;
  return { ...metrics, ...(await rerankingScores(pairs, folder, session)) };
}
