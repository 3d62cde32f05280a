/** BLEU of a model's translations, as its configuration makes them. */

import type { TranslationExample } from "../data/examples.ts";
import { openGenerator } from "../generation/open-generator.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { corpusBleu } from "../train/metrics/bleu.ts";
import { Predictor } from "./predictor.ts";
import { translationAnswers } from "./translation.ts";

/** `bleu`, 0 to 100, with sacreBLEU's default tokenizer and the targets as they stand in the data. */
export async function translationScores(
  examples: readonly TranslationExample[],
  folder: string,
  options: SessionOptions = {},
): Promise<Record<string, number>> {
  const model = await openGenerator(folder, options);
  const translator = Predictor.over("translation", translationAnswers, () => model, model.generator);
  try {
    const answers = await translator.predict(examples.map(({ source }) => source));
    const hypotheses = answers.map(([best]) => best!.translation_text);
    const { score } = corpusBleu(
      hypotheses,
      examples.map(({ target }) => [target]),
    );
    return { bleu: score };
  } finally {
    await translator.release();
  }
}
