/**
 * Targets for masked language modelling.
 * Devlin et al. 2018, https://arxiv.org/abs/1810.04805: 15 % of the tokens are to be predicted; of these 80 % become
 * [MASK], 10 % a random token, and 10 % stay.
 */

import { ignoredLabel } from "../nn/losses.ts";
import type { Random } from "../tensor/random.ts";

export interface MaskingOptions {
  random: Random;
  maskId: number;
  /** Random tokens are drawn from [0, vocabSize). */
  vocabSize: number;
  /** 1 (or true) where a token must never be chosen, as at [CLS], [SEP] and padding. */
  specialMask: ArrayLike<number | boolean>;
  /** Share of the other tokens to predict, 0 to 1; default 0.15, at least one token. */
  rate?: number;
  /** For each token the number of its word: whole words are chosen together. Default: each token by itself. */
  wordIds?: ArrayLike<number | null>;
}

/** Labels are −100 where nothing is to be predicted. */
export interface MaskedTokens {
  inputIds: number[];
  labels: number[];
}

export function maskTokens(ids: ArrayLike<number>, options: MaskingOptions): MaskedTokens {
  const { random, maskId, vocabSize, rate = 0.15 } = options;
  const inputIds = Array.from(ids);
  const labels = new Array<number>(ids.length).fill(ignoredLabel);
  const groups = random.shuffle(maskableGroups(ids.length, options));
  const total = groups.reduce((count, group) => count + group.length, 0);
  const wanted = Math.max(1, Math.round(total * rate));
  let chosen = 0;
  for (const group of groups) {
    // A word that would exceed the share is passed over, unless nothing is chosen yet.
    if (chosen > 0 && chosen + group.length > wanted) continue;
    chosen += group.length;
    for (const at of group) {
      labels[at] = ids[at]!;
      const draw = random.uniform();
      if (draw < 0.8) inputIds[at] = maskId;
      else if (draw < 0.9) inputIds[at] = random.integer(vocabSize);
    }
    if (chosen >= wanted) break;
  }
  return { inputIds, labels };
}

/** Positions that are chosen together: words, or single tokens. */
function maskableGroups(length: number, { specialMask, wordIds }: MaskingOptions): number[][] {
  const groups: number[][] = [];
  let previous = -1;
  for (let i = 0; i < length; i++) {
    if (specialMask[i]) continue;
    const isSameWord =
      wordIds && previous === i - 1 && wordIds[i] !== null && wordIds[i] === wordIds[previous];
    if (isSameWord) groups.at(-1)!.push(i);
    else groups.push([i]);
    previous = i;
  }
  return groups;
}
