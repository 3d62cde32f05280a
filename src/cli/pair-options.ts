/** Flags that say how image–text pairs are read; `train` and `eval` have them. */

import type { Command } from "commander";
import type { PairOptions } from "../data/image-text-pairs.ts";

export interface PairFlags {
  readonly captionColumn?: readonly string[];
  readonly keywordColumn?: readonly string[];
}

const names = (text: string): string[] => text.split(",").map((name) => name.trim());

export const addPairOptions = (command: Command): Command =>
  command
    .option(
      "--caption-column <names>",
      "pairs: columns or JSON fields with captions; default: captions, caption, text …",
      names,
    )
    .option(
      "--keyword-column <names>",
      "pairs: columns or JSON fields with single words; default: none",
      names,
    );

/** The flags as the reader of pairs takes them; what is not given is left out. */
export function pairOptions({
  captionColumn: captionColumns,
  keywordColumn: keywordColumns,
  ...flags
}: PairFlags & Pick<PairOptions, "imageColumn" | "labelColumn" | "strict">): PairOptions {
  const { imageColumn, labelColumn, strict } = flags;
  const options = { captionColumns, keywordColumns, imageColumn, labelColumn, strict };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
