/** Training data for translation: source and target tokens, each padded to a length of its own. */

import type { TranslationExample } from "../data/examples.ts";
import { ignoredLabel } from "../nn/losses.ts";
import { padBatch, roundUp } from "../text/batch.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { EncodedText } from "./batch-runner.ts";
import { CountingEncoder, type DataRecipe } from "./dataset.ts";
import { TokenLossEvaluator, tokenLossOutputs } from "./token-loss.ts";
import { translationScores } from "./translation-scores.ts";

/** Padded lengths are multiples of this, so that few graph shapes occur. */
const lengthStep = 8;

/** The target's tokens end with the tokenizer's end token; the model moves them to the right behind its start token. */
export const translationData: DataRecipe<TranslationExample> = {
  name: "translation",
  defaultLength: 128,
  outputs: tokenLossOutputs,
  configOf: () => ({}),
  bestMetric: () => "loss",
  answerMetrics: translationScores,
  datasetOf(examples, _config, setup) {
    const encoder = new CountingEncoder(setup);
    const { tokenizer } = setup;
    const sources = examples.map(({ source }) => encoder.encode(source));
    const targets = examples.map(({ target }) => targetOf(encoder.encodeTarget(target), tokenizer));
    const pad = (items: readonly EncodedText[], indices: readonly number[], padId: number) => {
      const chosen = indices.map((at) => items[at]!);
      const length = roundUp(Math.max(...chosen.map(({ ids }) => ids.length)), lengthStep);
      return padBatch(chosen, { padId, length });
    };
    return {
      lengths: sources.map(({ ids }) => ids.length),
      targetLengths: targets.map(({ ids }) => ids.length),
      truncated: encoder.truncated,
      evaluator: () => new TokenLossEvaluator("accuracy"),
      collate(indices) {
        const { input_ids, attention_mask } = pad(sources, indices, tokenizer.padId);
        return { input_ids, attention_mask, labels: pad(targets, indices, ignoredLabel).input_ids };
      },
    };
  },
};

/** Without a token that begins every text, which the decoder's start token stands for, and with one that ends it. */
function targetOf({ ids }: EncodedText, { clsId, bosId, sepId, eosId }: Tokenizer): EncodedText {
  const [first] = ids;
  const kept = first !== undefined && (first === clsId || first === bosId) ? ids.slice(1) : [...ids];
  const end = eosId ?? sepId;
  if (end !== undefined && kept.at(-1) !== end) kept.push(end);
  return { ids: kept, typeIds: kept.map(() => 0) };
}
