/** Ids of the `count` largest scores, largest first, and of equal ones the lowest first; fewer where there are fewer. */
export function largest(scores: ArrayLike<number>, count: number): number[] {
  const best: number[] = [];
  let least = Number.NEGATIVE_INFINITY; // a score must exceed it, once the list is full
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (best.length === count && !(score > least)) continue;
    let at = best.length;
    while (at > 0 && score > scores[best[at - 1]!]!) at--;
    best.splice(at, 0, id);
    if (best.length > count) best.pop();
    least = scores[best.at(-1)!]!;
  }
  return best;
}
