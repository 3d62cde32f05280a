/** How often a model with two towers finds the class of a picture by the classes' names alone. */

import type { ImageTextPair } from "../data/image-text-pairs.ts";
import { openTowers } from "../models/open-towers.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { openZeroShotPredictor } from "./zero-shot-image-classification.ts";

/** Pictures asked about at a time. */
const chunkSize = 64;

/**
 * `zero_shot_top1`, or nothing where the pairs do not all have labels or have one label only.
 * @param template texts for each label, `{}` being the label; default: that of zero-shot classification
 */
export async function zeroShotAccuracy(
  folder: string,
  pairs: readonly ImageTextPair[],
  template: readonly string[] | undefined,
  options: SessionOptions,
): Promise<Record<string, number>> {
  const labels = [...new Set(pairs.map(({ label }) => label))].filter((label) => label !== undefined);
  if (labels.length < 2 || pairs.some(({ label }) => label === undefined)) return {};
  const model = await openTowers(folder, options);
  const predictor = openZeroShotPredictor("zero-shot-image-classification", model, {});
  const question = { candidate_labels: labels, ...(template && { hypothesis_template: [...template] }) };
  let right = 0;
  try {
    for (let start = 0; start < pairs.length; start += chunkSize) {
      const chunk = pairs.slice(start, start + chunkSize);
      const answers = await predictor.predict(await Promise.all(chunk.map((pair) => pair.load())), question);
      right += answers.filter(([best], at) => best!.label === chunk[at]!.label).length;
    }
  } finally {
    await predictor.release();
  }
  return { zero_shot_top1: right / pairs.length };
}
