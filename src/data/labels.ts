/** The label names of a data set, and parts of it for validation. */

import { ConfigError } from "../errors.ts";
import { Random } from "../tensor/random.ts";

/** Every label or tag once: by number where all are integers, else by name. Numbers to predict are no labels. */
export function labelsOf(
  examples: readonly ({ label: string | string[] | number } | { tags: readonly string[] })[],
): string[] {
  const names = new Set<string>();
  for (const example of examples) {
    const found = "tags" in example ? example.tags : example.label;
    if (typeof found === "number") continue;
    for (const name of typeof found === "string" ? [found] : found) names.add(name);
  }
  const all = [...names];
  const isNumeric = all.every((name) => /^-?\d+$/.test(name));
  return isNumeric ? all.sort((a, b) => Number(a) - Number(b)) : all.sort();
}

/**
 * Takes a share of the examples, drawn by `seed`, out for validation; both parts keep the order.
 * @throws ConfigError when a part would be empty.
 */
export function splitExamples<T>(
  examples: readonly T[],
  fraction: number,
  seed: number,
): { train: T[]; validation: T[] } {
  const count = Math.round(examples.length * fraction);
  if (!(count > 0 && count < examples.length)) {
    throw new ConfigError(
      `splitExamples: both parts must hold an example, but ${fraction} of ${examples.length} is ${count}`,
    );
  }
  const order = new Random(seed).fork("split").shuffle(examples.map((_, i) => i));
  const held = new Set(order.slice(0, count));
  return {
    train: examples.filter((_, i) => !held.has(i)),
    validation: examples.filter((_, i) => held.has(i)),
  };
}
