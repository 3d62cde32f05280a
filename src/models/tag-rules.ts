/** What tags of the schemes BIO and BIOES may follow each other. A tag is `O`, or a prefix, a hyphen and a type. */

import { ConfigError } from "../errors.ts";
import type { TagRules } from "../nn/crf.ts";

/** `bio` is also called IOB2; `bioes` also IOBES. */
export const tagSchemes = ["none", "bio", "bioes"] as const;
export type TagScheme = (typeof tagSchemes)[number];

interface Tag {
  readonly prefix: string;
  readonly type: string;
}

const outside: Tag = { prefix: "O", type: "" };
const prefixes = { bio: "BI", bioes: "BIES" } as const;

/** After these an entity is open, and `I-` and `E-` of its type go on with it. */
const isOpen = ({ prefix }: Tag): boolean => prefix === "B" || prefix === "I";

/**
 * The rules of a scheme for these tags; undefined for `none`.
 * @throws ConfigError when a tag is not of the scheme.
 */
export function tagRules(names: readonly string[], scheme: TagScheme): TagRules | undefined {
  if (scheme === "none") return undefined;
  const tags = names.map((name) => parseTag(name, scheme));
  // In BIOES an open entity must be closed by E-; in BIO anything may follow it.
  const mayFollow = (before: Tag, tag: Tag): boolean => {
    const goesOn = tag.prefix === "I" || tag.prefix === "E";
    return goesOn ? isOpen(before) && before.type === tag.type : scheme === "bio" || !isOpen(before);
  };
  return {
    transitions: tags.map((before) => tags.map((tag) => mayFollow(before, tag))),
    start: tags.map((tag) => mayFollow(outside, tag)),
    end: tags.map((tag) => mayFollow(tag, outside)),
  };
}

function parseTag(name: string, scheme: "bio" | "bioes"): Tag {
  if (name === "O") return outside;
  const known = prefixes[scheme];
  const isOfScheme = name[1] === "-" && name.length > 2 && known.includes(name[0]!);
  if (isOfScheme) return { prefix: name[0]!, type: name.slice(2) };
  const shown = [...known].map((prefix) => `${prefix}-type`).join(", ");
  throw new ConfigError(
    `crf_constraints "${scheme}": tags must be O, ${shown}; got "${name}"; leave the constraints out or rename it`,
  );
}
