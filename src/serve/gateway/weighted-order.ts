/** A sticky order by weights. */

import { createHash } from "node:crypto";

/**
 * The names, ordered for `key`: each is first for its share of all keys, and a key keeps its order. When weights change
 * or names come and go, only the keys concerned move: weighted rendezvous hashing, Schindelhauer and Schomaker 2005,
 * "Weighted distributed hash tables", https://doi.org/10.1145/1073970.1074008.
 */
export function weightedOrder(weights: Readonly<Record<string, number>>, key: string): string[] {
  const scored = Object.entries(weights).map(([name, weight]) => ({
    name,
    score: -weight / Math.log(unitHash(`${key}\0${name}`)), // the largest of these falls on each in proportion to its weight
  }));
  return scored.sort((a, b) => b.score - a.score).map(({ name }) => name);
}

/** A number in (0, 1) that depends on the text alone. */
function unitHash(text: string): number {
  const digest = createHash("sha256").update(text).digest();
  const [high, low] = [digest.readUInt32BE(0), digest.readUInt32BE(4)];
  return ((high >>> 6) * 2 ** 26 + (low >>> 6) + 0.5) / 2 ** 52;
}
