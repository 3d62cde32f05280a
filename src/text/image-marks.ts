/**
 * Texts in which marks stand for pictures, as OpenFlamingo writes them. Awadalla et al. 2023,
 * https://arxiv.org/abs/2308.01390
 */

import type { Tokenizer } from "./tokenizer.ts";

/** Stands where a picture is. */
export const imageMark = "<image>";
/** Ends what is said of a picture. */
export const chunkEndMark = "<|endofchunk|>";

/** What stands between a picture and the short answer to a question about it. */
export const questionPrompt = (question: string): string => `Question:${question} Short answer:`;

/** Tokens of a vocabulary that the marks stand for. */
export interface MarkIds {
  readonly image: number;
  readonly chunkEnd: number;
}

const anyMark = /(<image>|<\|endofchunk\|>)/;

/** Token ids of a text with marks; nothing is put before or behind it. */
export function encodeMarked(tokenizer: Tokenizer, text: string, { image, chunkEnd }: MarkIds): number[] {
  return text.split(anyMark).flatMap((part) => {
    if (part === imageMark) return [image];
    if (part === chunkEndMark) return [chunkEnd];
    return part === "" ? [] : [...tokenizer.encode(part, undefined, { addSpecialTokens: false }).ids];
  });
}

/** How many pictures a text speaks of. */
export const countImageMarks = (text: string): number => text.split(imageMark).length - 1;
