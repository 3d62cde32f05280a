/** Entities in tag sequences and their F1, by the rules of conlleval and of seqeval's default mode. */

import { checkLengths } from "./classification.ts";

/** Words [start, end) that form one entity. */
export interface TaggedEntity {
  type: string;
  start: number;
  end: number;
}

export interface EntityScores {
  precision: number;
  recall: number;
  f1: number;
}

/**
 * The entities of a sentence's tags `B-type`, `I-type`, `O` (also `E-` and `S-`). As in conlleval an entity may start
 * with `I-`: after `O` and where the type changes.
 */
export function entitiesOf(tags: readonly string[]): TaggedEntity[] {
  const entities: TaggedEntity[] = [];
  let open: TaggedEntity | undefined;
  for (const [at, tag] of tags.entries()) {
    const { prefix, type } = splitTag(tag);
    const goesOn = open?.type === type && (prefix === "I" || prefix === "E");
    if (prefix === "O") open = undefined;
    else if (open && goesOn) open.end = at + 1;
    else {
      open = { type, start: at, end: at + 1 };
      entities.push(open);
    }
    if (prefix === "E" || prefix === "S") open = undefined;
  }
  return entities;
}

/** A tag without a prefix counts as inside its type. */
function splitTag(tag: string): { prefix: string; type: string } {
  if (tag === "O") return { prefix: "O", type: "" };
  return /^[BIES]-/.test(tag) ? { prefix: tag[0]!, type: tag.slice(2) } : { prefix: "I", type: tag };
}

/** Scores over all sentences together; an entity is right when its type and both ends are. */
export function entityScores(
  predicted: readonly (readonly string[])[],
  actual: readonly (readonly string[])[],
): EntityScores {
  checkLengths("entity F1", predicted, actual);
  let [right, found, wanted] = [0, 0, 0];
  for (const [at, tags] of predicted.entries()) {
    const truth = new Set(entitiesOf(actual[at]!).map(keyOf));
    const guesses = entitiesOf(tags).map(keyOf);
    right += guesses.filter((guess) => truth.has(guess)).length;
    found += guesses.length;
    wanted += truth.size;
  }
  const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
  return {
    precision: share(right, found),
    recall: share(right, wanted),
    f1: share(2 * right, found + wanted),
  };
}

const keyOf = ({ type, start, end }: TaggedEntity): string => `${start} ${end} ${type}`;
