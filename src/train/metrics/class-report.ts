/** How a classifier does on each class: precision, recall, F1, and what it takes for what. */

import { type ClassCounts, checkLengths, countClasses, f1 } from "./classification.ts";

export interface ClassScores {
  readonly label: string;
  /** Items that are of the class. */
  readonly count: number;
  /** Share of the items predicted as the class that are; 0 where none is. */
  readonly precision: number;
  /** Share of the items of the class that are predicted so; 0 where there are none. */
  readonly recall: number;
  readonly f1: number;
}

export interface ClassReport {
  readonly classes: readonly ClassScores[];
  /** Items of class `row` predicted as class `column`; left out where items have several classes, or there are many. */
  readonly confusion?: readonly (readonly number[])[];
}

/** Classes of a confusion matrix at most. */
const shownClasses = 100;

/** Of items with one class each, by index among `labels`. @throws ConfigError as `accuracy`. */
export function classReport(
  labels: readonly string[],
  predicted: readonly number[],
  actual: readonly number[],
): ClassReport {
  checkLengths("confusion", predicted, actual);
  const lists = [predicted, actual].map((values) => values.map((value) => [value]));
  const { classes } = multiClassReport(labels, lists[0]!, lists[1]!);
  if (labels.length > shownClasses) return { classes };
  const confusion = labels.map(() => labels.map(() => 0));
  for (const [at, truth] of actual.entries()) confusion[truth]![predicted[at]!]!++;
  return { classes, confusion };
}

/** Of items with any number of classes. @throws ConfigError as `accuracy`. */
export function multiClassReport(
  labels: readonly string[],
  predicted: readonly (readonly number[])[],
  actual: readonly (readonly number[])[],
): ClassReport {
  const counts = countClasses(predicted, actual);
  return { classes: labels.map((label, at) => ({ label, ...scoresOf(counts.get(at) ?? none) })) };
}

const none: ClassCounts = { truePositives: 0, falsePositives: 0, falseNegatives: 0 };

function scoresOf(counts: ClassCounts): Omit<ClassScores, "label"> {
  const { truePositives, falsePositives, falseNegatives } = counts;
  const count = truePositives + falseNegatives;
  const guessed = truePositives + falsePositives;
  return {
    count,
    precision: guessed === 0 ? 0 : truePositives / guessed,
    recall: count === 0 ? 0 : truePositives / count,
    f1: f1(counts),
  };
}
