/** Scores of predicted classes. A class is its index; an item has one class, or any number of them (multi-label). */

import { ConfigError } from "../../errors.ts";

/** How often a class was predicted rightly, predicted wrongly, and missed. */
export interface ClassCounts {
  truePositives: number;
  falsePositives: number;
  falseNegatives: number;
}

/** Share of equal items. @throws ConfigError when there are none, or not as many of both. */
export function accuracy(predicted: readonly number[], actual: readonly number[]): number {
  checkLengths("accuracy", predicted, actual);
  return predicted.filter((value, at) => value === actual[at]).length / actual.length;
}

/** @throws ConfigError when there are no items, or not as many of both. */
export function checkLengths(
  where: string,
  predicted: { readonly length: number },
  actual: { readonly length: number },
): void {
  if (predicted.length !== actual.length || actual.length === 0) {
    throw new ConfigError(
      `${where}: needs as many predictions as true values, at least one; got ${predicted.length} and ${actual.length}`,
    );
  }
}

/** Counts of every class that occurs among the predicted or the true classes of the items. */
export function countClasses(
  predicted: readonly (readonly number[])[],
  actual: readonly (readonly number[])[],
): Map<number, ClassCounts> {
  checkLengths("F1", predicted, actual);
  const counts = new Map<number, ClassCounts>();
  const countsOf = (label: number): ClassCounts => {
    const found = counts.get(label) ?? { truePositives: 0, falsePositives: 0, falseNegatives: 0 };
    counts.set(label, found);
    return found;
  };
  for (const [at, labels] of predicted.entries()) {
    const truth = actual[at]!;
    for (const label of labels) countsOf(label)[truth.includes(label) ? "truePositives" : "falsePositives"]++;
    for (const label of truth) if (!labels.includes(label)) countsOf(label).falseNegatives++;
  }
  return counts;
}

/** Harmonic mean of precision and recall; 0 where nothing is predicted and nothing is true. */
export function f1({ truePositives, falsePositives, falseNegatives }: ClassCounts): number {
  const total = 2 * truePositives + falsePositives + falseNegatives;
  return total === 0 ? 0 : (2 * truePositives) / total;
}

/** F1 of the class 1 among two classes. */
export const binaryF1 = (predicted: readonly number[], actual: readonly number[]): number =>
  f1(countClasses(predicted.map(single), actual.map(single)).get(1) ?? noCounts);

/** Mean of the F1 of the classes that occur. */
export function macroF1(counts: ReadonlyMap<number, ClassCounts>): number {
  if (counts.size === 0) return 0;
  return [...counts.values()].reduce((sum, of) => sum + f1(of), 0) / counts.size;
}

/** F1 of all classes counted together; with one class an item it equals the accuracy. */
export const microF1 = (counts: ReadonlyMap<number, ClassCounts>): number =>
  f1([...counts.values()].reduce(addCounts, noCounts));

const noCounts: ClassCounts = { truePositives: 0, falsePositives: 0, falseNegatives: 0 };

const single = (label: number): number[] => [label];

const addCounts = (a: ClassCounts, b: ClassCounts): ClassCounts => ({
  truePositives: a.truePositives + b.truePositives,
  falsePositives: a.falsePositives + b.falsePositives,
  falseNegatives: a.falseNegatives + b.falseNegatives,
});

/**
 * Matthews correlation of any number of classes, −1 to 1; 0 where all predictions or all true classes are the same.
 * Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".
 */
export function matthews(predicted: readonly number[], actual: readonly number[]): number {
  checkLengths("matthews", predicted, actual);
  const total = actual.length;
  const correct = predicted.filter((value, at) => value === actual[at]).length;
  const [predictedTimes, actualTimes] = [occurrences(predicted), occurrences(actual)];
  let [both, predictedSquares, actualSquares] = [0, 0, 0];
  for (const label of new Set([...predicted, ...actual])) {
    const [p, t] = [predictedTimes.get(label) ?? 0, actualTimes.get(label) ?? 0];
    both += p * t;
    predictedSquares += p * p;
    actualSquares += t * t;
  }
  const spread = Math.sqrt((total ** 2 - predictedSquares) * (total ** 2 - actualSquares));
  return spread === 0 ? 0 : (correct * total - both) / spread;
}

function occurrences(values: readonly number[]): Map<number, number> {
  const times = new Map<number, number>();
  for (const value of values) times.set(value, (times.get(value) ?? 0) + 1);
  return times;
}
