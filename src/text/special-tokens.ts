/** Which token plays which part: padding, classification, separation, masking, begin and end of a text. */

import type { TokenizerConfig } from "./tokenizer-json.ts";

export type TokenRole = "pad" | "cls" | "sep" | "mask" | "unk" | "bos" | "eos";

/** Names tried where the configuration gives none: BERT's, XLNet's, RoBERTa's, GPT-2's. */
const usualNames: Record<TokenRole, readonly string[]> = {
  pad: ["[PAD]", "<pad>"],
  cls: ["[CLS]", "<cls>", "<s>"],
  sep: ["[SEP]", "<sep>", "</s>"],
  mask: ["[MASK]", "<mask>"],
  unk: ["[UNK]", "<unk>"],
  bos: ["<s>", "<|startoftext|>", "<|endoftext|>"],
  eos: ["</s>", "<|endoftext|>"],
};

/** The ids of the roles that this vocabulary has. */
export function roleIds(
  config: TokenizerConfig,
  idOf: (token: string) => number | undefined,
): Readonly<Partial<Record<TokenRole, number>>> {
  const roles = Object.keys(usualNames) as TokenRole[];
  const ids = roles.map((role) => [role, roleId(role, config, idOf)] as const);
  return Object.fromEntries(ids.filter(([, id]) => id !== undefined));
}

function roleId(
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
