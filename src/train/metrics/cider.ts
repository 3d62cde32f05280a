/**
 * CIDEr-D: how alike a caption and its references are, words that many pictures share counting little.
 * Vedantam et al. 2015, https://arxiv.org/abs/1411.5726; the numbers are those of the COCO evaluation.
 */

import { ConfigError } from "../../errors.ts";

/** Longest n-grams. */
const maxOrder = 4;
/** Deviation of the penalty for captions that are longer or shorter than a reference. */
const sigma = 6;
/** What all scores are multiplied by, as in the paper. */
const scale = 10;

export interface CiderScore {
  /** Mean over the captions, 0 to 10. */
  readonly score: number;
  readonly scores: readonly number[];
}

/** Weights of a text's n-grams by order. */
interface Weighed {
  readonly weights: readonly Map<string, number>[];
  /** Of each order's weights. */
  readonly norms: readonly number[];
  /** Count of pairs of words, by which the evaluation compares lengths. */
  readonly length: number;
}

/**
 * CIDEr-D of captions, each cut into words, with the references of each. How rare an n-gram is, is told by the
 * references of this corpus, so that one picture alone scores 0.
 * @throws ConfigError unless there is an equal number of both, and a reference for each.
 */
export function corpusCider(
  captions: readonly (readonly string[])[],
  references: readonly (readonly (readonly string[])[])[],
): CiderScore {
  if (captions.length !== references.length || references.some((texts) => texts.length === 0)) {
    throw new ConfigError(
      `CIDEr-D: each caption must have a reference, got ${captions.length} and ${references.length}`,
    );
  }
  const counted = references.map((texts) => texts.map(ngramCounts));
  const rarity = rarityIn(counted);
  const scores = captions.map((caption, at) => {
    const own = weigh(ngramCounts(caption), rarity);
    const similarities = counted[at]!.map((counts) => similarity(own, weigh(counts, rarity)));
    return (scale * sum(similarities)) / similarities.length;
  });
  return { score: scores.length === 0 ? 0 : sum(scores) / scores.length, scores };
}

type NgramCounts = readonly Map<string, number>[];

/** How often each n-gram occurs, for n from 1 to 4. */
const ngramCounts = (words: readonly string[]): NgramCounts =>
  Array.from({ length: maxOrder }, (_, order) => {
    const counts = new Map<string, number>();
    for (let start = 0; start + order < words.length; start++) {
      const ngram = words.slice(start, start + order + 1).join(" ");
      counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
    }
    return counts;
  });

/** log(pictures / pictures of which a reference has the n-gram), by n-gram. */
function rarityIn(pictures: readonly (readonly NgramCounts[])[]): (ngram: string) => number {
  const found = new Map<string, number>();
  for (const texts of pictures) {
    const own = new Set(texts.flatMap((counts) => counts.flatMap((table) => [...table.keys()])));
    for (const ngram of own) found.set(ngram, (found.get(ngram) ?? 0) + 1);
  }
  return (ngram) => Math.log(pictures.length) - Math.log(found.get(ngram) ?? 1);
}

function weigh(counts: NgramCounts, rarity: (ngram: string) => number): Weighed {
  const weights = counts.map(
    (table) => new Map([...table].map(([ngram, count]) => [ngram, count * rarity(ngram)])),
  );
  const norms = weights.map((table) => Math.sqrt(sum([...table.values()].map((weight) => weight ** 2))));
  return { weights, norms, length: sum([...counts[1]!.values()]) };
}

/** Mean over the orders of the cosine, the caption's weights clipped to the reference's, times the length penalty. */
function similarity(caption: Weighed, reference: Weighed): number {
  const penalty = Math.exp(-((caption.length - reference.length) ** 2) / (2 * sigma ** 2));
  const cosines = caption.weights.map((weights, order) => {
    const others = reference.weights[order]!;
    const products = [...weights].map(([ngram, weight]) => {
      const other = others.get(ngram) ?? 0;
      return Math.min(weight, other) * other;
    });
    const norm = caption.norms[order]! * reference.norms[order]!;
    return norm === 0 ? sum(products) : sum(products) / norm;
  });
  return (penalty * sum(cosines)) / maxOrder;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
