/** Text of any length in blocks of equal length, so that nothing is padded and nothing cut off. */

import type { Tokenizer } from "./tokenizer.ts";

export interface PackOptions {
  /** Tokens of a block; the last one is shorter. From 1. */
  readonly size: number;
  /** The token behind each document; default none. */
  readonly separatorId?: number | undefined;
}

/** A block's tokens, each with the number of its word; null at separators. A word keeps its number over two blocks. */
export interface PackedBlock {
  readonly ids: number[];
  readonly wordIds: (number | null)[];
}

/** The tokens of all documents one after the other, cut into blocks. A document is given in pieces of text. */
export function packBlocks(
  documents: readonly (readonly string[])[],
  tokenizer: Tokenizer,
  { size, separatorId }: PackOptions,
): PackedBlock[] {
  const blocks: PackedBlock[] = [];
  const push = (id: number, wordId: number | null): void => {
    if ((blocks.at(-1)?.ids.length ?? size) === size) blocks.push({ ids: [], wordIds: [] });
    const block = blocks.at(-1)!;
    block.ids.push(id);
    block.wordIds.push(wordId);
  };
  let firstWord = 0;
  for (const document of documents) {
    for (const text of document) {
      const { ids, wordIds } = tokenizer.encode(text, undefined, { addSpecialTokens: false });
      ids.forEach((id, at) => {
        push(id, firstWord + wordIds[at]!);
      });
      firstWord += (wordIds.at(-1) ?? 0) + 1;
    }
    if (separatorId !== undefined) push(separatorId, null);
  }
  return blocks;
}
