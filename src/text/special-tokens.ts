/** Which token plays which part: padding, classification, separation, masking. */

import type { TokenizerConfig } from "./tokenizer-json.ts";

export type TokenRole = "pad" | "cls" | "sep" | "mask" | "unk";

/** Names tried where the configuration gives none: BERT's, then RoBERTa's. */
const usualNames: Record<TokenRole, readonly string[]> = {
  pad: ["[PAD]", "<pad>"],
  cls: ["[CLS]", "<s>"],
  sep: ["[SEP]", "</s>"],
  mask: ["[MASK]", "<mask>"],
  unk: ["[UNK]", "<unk>"],
};

/** The id of the token with this role, `undefined` where the vocabulary has none. */
export function roleId(
  role: TokenRole,
  config: TokenizerConfig,
  idOf: (token: string) => number | undefined,
): number | undefined {
  const named = tokenName(config[`${role}_token`]);
  for (const name of named === undefined ? usualNames[role] : [named]) {
    const id = idOf(name);
    if (id !== undefined) return id;
  }
  return undefined;
}

/** Configurations hold a token as its content or as an object with it. */
export const tokenName = (value: string | { content: string } | null | undefined): string | undefined =>
  typeof value === "string" ? value : value?.content;
