/** The classes of a classifier as `tesserae eval` prints them. */

import type { ClassReport } from "../train/metrics/class-report.ts";
import { showTable } from "./format.ts";

/** Classes whose matrix fits a terminal; `--json` has larger ones. */
const shownColumns = 12;
/** Classes in a printed table, those with the lowest F1 first where there are more. */
const shownRows = 50;

/** Scores of each class and, of few classes, what was taken for what. */
export function showClasses({ classes, confusion }: ClassReport): string {
  const isCut = classes.length > shownRows;
  const shown = isCut ? [...classes].sort((a, b) => a.f1 - b.f1).slice(0, shownRows) : classes;
  const rows = shown.map(({ label, count, ...scores }) => [
    label,
    String(count),
    ...[scores.precision, scores.recall, scores.f1].map((score) => score.toFixed(4)),
  ]);
  const head = isCut ? `class (the ${shownRows} lowest of ${classes.length})` : "class";
  const table = showTable([head, "items", "precision", "recall", "f1"], rows, [1, 2, 3, 4]);
  if (!confusion || classes.length > shownColumns) return table;
  const labels = classes.map(({ label }) => label);
  const counts = confusion.map((row, at) => [labels[at]!, ...row.map(String)]);
  const columns = labels.map((_, at) => at + 1);
  return `${table}\n\n${showTable(["true \\ predicted", ...labels], counts, columns)}`;
}
