/** The power of two choices. */

/**
 * The less loaded of two members drawn at random, among those that accept. With several gateways that each see only their
 * own requests, all would run to the same least loaded worker; two random choices keep the load as even and do not herd.
 * Mitzenmacher 2001, https://doi.org/10.1109/71.963420.
 */
export function takeOfTwo<T>(
  members: readonly T[],
  loadOf: (member: T) => number,
  accepts: (member: T) => boolean,
): T | undefined {
  const left = [...members];
  while (left.length > 0) {
    const first = Math.floor(Math.random() * left.length);
    let second = left.length > 1 ? Math.floor(Math.random() * (left.length - 1)) : first;
    if (left.length > 1 && second >= first) second++;
    const better = loadOf(left[second]!) < loadOf(left[first]!) ? second : first;
    if (accepts(left[better]!)) return left[better];
    left.splice(better, 1);
  }
  return undefined;
}
