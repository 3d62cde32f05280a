/** Linear chains solved by going through every sequence of tags. */

import type { Chain } from "../../src/models/crf-decoding.ts";
import type { Random } from "../../src/tensor/random.ts";

/** Rows of random numbers in [−scale, scale). */
export const randomRows = (random: Random, rows: number, columns: number, scale: number): number[][] =>
  Array.from({ length: rows }, () =>
    Array.from({ length: columns }, () => scale * (2 * random.uniform() - 1)),
  );

export function randomChain(random: Random, numTags: number, scale: number): Chain {
  const [start, end] = randomRows(random, 2, numTags, scale);
  return { transitions: randomRows(random, numTags, numTags, scale), start: start!, end: end! };
}

/** start + emissions + transitions + end of one sequence. */
export function pathScore(tags: readonly number[], emissions: readonly number[][], chain: Chain): number {
  let score = chain.start[tags[0]!]! + chain.end[tags.at(-1)!]!;
  for (const [at, tag] of tags.entries()) {
    score += emissions[at]![tag]!;
    if (at > 0) score += chain.transitions[tags[at - 1]!]![tag]!;
  }
  return score;
}

export interface Enumerated {
  readonly logPartition: number;
  readonly best: { readonly tags: number[]; readonly score: number };
  readonly marginals: number[][];
}

export function enumerateChain(emissions: readonly number[][], chain: Chain): Enumerated {
  const numTags = chain.start.length;
  const weights = emissions.map((row) => row.map(() => 0));
  let total = 0;
  let best = { tags: [] as number[], score: Number.NEGATIVE_INFINITY };
  for (let code = 0; code < numTags ** emissions.length; code++) {
    const tags = emissions.map((_, at) => Math.floor(code / numTags ** at) % numTags);
    const score = pathScore(tags, emissions, chain);
    const weight = Math.exp(score);
    total += weight;
    for (const [at, tag] of tags.entries()) weights[at]![tag]! += weight;
    if (score > best.score) best = { tags, score };
  }
  return { logPartition: Math.log(total), best, marginals: weights.map((row) => row.map((x) => x / total)) };
}
