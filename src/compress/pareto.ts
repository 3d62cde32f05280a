/** What is not beaten in every respect. */

/** Whether `a` costs no more than `b` in anything, and less in something. */
const beats = (a: readonly number[], b: readonly number[]): boolean =>
  a.every((cost, at) => cost <= b[at]!) && a.some((cost, at) => cost < b[at]!);

/** The items that no other beats, in their order. `costsOf` gives numbers that are better when lower. */
export function paretoFront<T>(items: readonly T[], costsOf: (item: T) => readonly number[]): T[] {
  const costs = items.map(costsOf);
  return items.filter((_, at) => !costs.some((other) => beats(other, costs[at]!)));
}
