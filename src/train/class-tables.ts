/** The classes of a classifier in a training report: their scores, and a matrix of what was taken for what. */

import { escapeHtml } from "./escape-html.ts";
import type { ClassReport, ClassScores } from "./metrics/class-report.ts";

/** HTML; empty without a report. */
export function classTables(report: ClassReport | undefined): string {
  if (!report) return "";
  const { classes, confusion } = report;
  return [scoreTable(classes), ...(confusion ? [confusionTable(classes, confusion)] : [])].join("\n");
}

function scoreTable(classes: readonly ClassScores[]): string {
  const rows = classes.map(({ label, count, ...scores }) => {
    const figures = [scores.precision, scores.recall, scores.f1].map((score) => score.toFixed(4));
    return row([escapeHtml(label), String(count), ...figures]);
  });
  const head = ["class", "items", "precision", "recall", "F1"].map((name) => `<th>${name}</th>`).join("");
  return `<h2>Classes of the best model</h2><table><tr>${head}</tr>${rows.join("")}</table>`;
}

const row = ([label, ...cells]: readonly string[]): string =>
  `<tr><th>${label}</th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;

/** Cells are shaded by their share of the row: blue where the class is right, orange where it is not. */
function confusionTable(classes: readonly ClassScores[], confusion: readonly (readonly number[])[]): string {
  const head = classes.map(({ label }) => `<th>${escapeHtml(label)}</th>`).join("");
  const rows = classes.map(({ label, count }, actual) => {
    const cells = confusion[actual]!.map((items, predicted) => {
      const colour = actual === predicted ? "#2f6fde" : "#d9622b";
      const share = Math.round((100 * items) / Math.max(1, count));
      const shade = items > 0 ? ` style="background:color-mix(in srgb,${colour} ${share}%,transparent)"` : "";
      return `<td${shade}>${items}</td>`;
    });
    return `<tr><th>${escapeHtml(label)}</th>${cells.join("")}</tr>`;
  });
  return `<h2>Confusion (rows: true, columns: predicted)</h2>
<div style="overflow-x:auto"><table class="confusion"><tr><th></th>${head}</tr>${rows.join("")}</table></div>`;
}
