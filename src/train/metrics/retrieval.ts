/** How well texts find their images and images their texts. N texts, I images. */

/** Ranks up to which a match counts. */
const ranks = [1, 5, 10] as const;

export type Direction = "text_to_image" | "image_to_text";
/** Shares from 0 to 1, and their mean over both directions and all ranks. */
export type RetrievalScores = Record<`${Direction}_recall@${(typeof ranks)[number]}` | "mean_recall", number>;

/**
 * Recall at 1, 5 and 10. A text asks for its image among all images; an image for any of its texts among all texts.
 * What scores as high as the match counts as before it, so that a model that cannot tell has no luck.
 * @param imageOf the image of each text
 * @param scoresOf the scores [I] of a text; called twice for each
 */
export function retrievalRecall(
  imageOf: readonly number[],
  imageCount: number,
  scoresOf: (text: number) => ArrayLike<number>,
): RetrievalScores {
  const textRanks: number[] = [];
  const best = new Float64Array(imageCount).fill(Number.NEGATIVE_INFINITY); // of an image's own texts
  for (const [text, image] of imageOf.entries()) {
    const scores = scoresOf(text);
    const own = scores[image]!;
    textRanks.push(countAtLeast(scores, own) - 1);
    best[image] = Math.max(best[image]!, own);
  }
  const imageRanks = new Int32Array(imageCount); // texts of others before the best own one
  for (const [text, own] of imageOf.entries()) {
    const scores = scoresOf(text);
    for (let image = 0; image < imageCount; image++)
      if (image !== own && scores[image]! >= best[image]!) imageRanks[image]! += 1;
  }
  return named(textRanks, [...imageRanks]);
}

function countAtLeast(scores: ArrayLike<number>, least: number): number {
  let count = 0;
  for (let at = 0; at < scores.length; at++) if (scores[at]! >= least) count++;
  return count;
}

function named(textRanks: readonly number[], imageRanks: readonly number[]): RetrievalScores {
  const entries = [
    ...ranks.map((rank) => [`text_to_image_recall@${rank}`, shareBelow(textRanks, rank)] as const),
    ...ranks.map((rank) => [`image_to_text_recall@${rank}`, shareBelow(imageRanks, rank)] as const),
  ];
  const mean = entries.reduce((sum, [, value]) => sum + value, 0) / entries.length;
  return Object.fromEntries([...entries, ["mean_recall", mean]]) as RetrievalScores;
}

const shareBelow = (found: readonly number[], rank: number): number =>
  found.filter((place) => place < rank).length / found.length;
