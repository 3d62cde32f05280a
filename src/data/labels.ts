/** The label names of a data set, and parts of it for validation. */

import { ConfigError } from "../errors.ts";
import { Random } from "../tensor/random.ts";
import type { DocumentExample } from "./examples.ts";

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

/**
 * Takes the last share of a text, by its sentences, out for validation; a document may be cut in two.
 * @throws ConfigError when a part would be empty.
 */
export function holdOutEnd(
  documents: readonly DocumentExample[],
  fraction: number,
): { train: DocumentExample[]; validation: DocumentExample[] } {
  const total = documents.reduce((sum, { sentences }) => sum + sentences.length, 0);
  let left = total - Math.round(total * fraction); // sentences of the training part to come
  if (!(left > 0 && left < total)) {
    throw new ConfigError(
      `holdOutEnd: both parts must hold a sentence, but the share ${fraction} is to be taken of ${total}`,
    );
  }
  const [train, validation]: [DocumentExample[], DocumentExample[]] = [[], []];
  for (const { sentences } of documents) {
    const [kept, held] = [sentences.slice(0, left), sentences.slice(left)];
    if (kept.length > 0) train.push({ sentences: kept });
    if (held.length > 0) validation.push({ sentences: held });
    left -= kept.length;
  }
  return { train, validation };
}
