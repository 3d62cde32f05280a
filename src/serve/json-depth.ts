/** A bound on how deep JSON is nested, since much of what reads values calls itself for each level. */

import { RequestError } from "../errors.ts";

/** Levels of lists and objects. */
const maxDepth = 64;

/** @throws RequestError when a parsed document is nested too deep. */
export function assertDepth(document: unknown): void {
  let level: unknown[] = [document];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth)
      throw new RequestError(`body: JSON may be nested ${maxDepth} levels deep; send a flatter document`);
    level = level.flatMap(childrenOf);
  }
}

/** Lists and objects within a value. */
function childrenOf(value: unknown): unknown[] {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  return (Array.isArray(value) ? value : Object.values(value)).filter((each) => typeof each === "object");
}
