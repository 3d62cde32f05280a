/** A self-contained HTML page with the curves of a training run. */

import { classTables } from "./class-tables.ts";
import { escapeHtml } from "./escape-html.ts";
import type { ClassReport } from "./metrics/class-report.ts";

/** One line of `log.jsonl`: an update or an evaluation. */
export interface LogEntry {
  readonly step: number;
  readonly epoch: number;
  readonly loss?: number;
  readonly gradNorm?: number;
  readonly learningRate?: number;
  readonly isSkipped?: boolean;
  /** Validation metrics, in entries of evaluations. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** Of a classifier, where the evaluation was the best until then. */
  readonly classReport?: ClassReport;
}

/** Points of a curve: step and value. */
type Curve = readonly (readonly [number, number])[];

const [width, height, left, bottom] = [640, 240, 64, 28];
/** Points drawn of a long curve. */
const shownPoints = 400;

/** The report of a run from its log. */
export function reportHtml(title: string, entries: readonly LogEntry[]): string {
  const steps = entries.filter((entry) => entry.metrics === undefined);
  const evaluations = entries.filter((entry) => entry.metrics !== undefined);
  const curve = (value: (entry: LogEntry) => number | null | undefined, from = steps): Curve =>
    from.flatMap((entry) => {
      const y = value(entry);
      return typeof y === "number" && Number.isFinite(y) ? [[entry.step, y] as const] : [];
    });
  const names = [...new Set(evaluations.flatMap(({ metrics }) => Object.keys(metrics!)))].filter(
    (name) => name !== "loss",
  );
  const charts = [
    chart("Loss", {
      training: smooth(curve((entry) => entry.loss)),
      validation: curve((entry) => entry.metrics!.loss, evaluations),
    }),
    ...names.map((name) => chart(name, { validation: curve((entry) => entry.metrics![name], evaluations) })),
    chart("Gradient norm", { norm: smooth(curve((entry) => entry.gradNorm)) }),
    chart("Learning rate", { rate: curve((entry) => entry.learningRate) }),
  ];
  const skipped = steps.filter((entry) => entry.isSkipped).length;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}: training report</title><style>
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:720px;margin:2rem auto;padding:0 1rem}
svg{width:100%;height:auto}text{fill:currentColor;font-size:12px}.axis{stroke:currentColor;opacity:.3}
.curve0{stroke:#2f6fde}.curve1{stroke:#d9622b}polyline{fill:none;stroke-width:2}
table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #8884}
</style></head><body><h1>${escapeHtml(title)}</h1>
<p>${steps.length} updates, ${evaluations.length} evaluations, ${skipped} updates skipped for a loss that was not finite.</p>
${charts.join("\n")}
${evaluationTable(evaluations)}
${classTables(evaluations.findLast(({ classReport }) => classReport)?.classReport)}
</body></html>
`;
}

/** Exponential mean, so that the trend of a noisy curve shows. */
function smooth(curve: Curve, keep = 0.9): Curve {
  let mean = curve[0]?.[1] ?? 0;
  return curve.map(([step, value]) => {
    mean = keep * mean + (1 - keep) * value;
    return [step, mean];
  });
}

function chart(title: string, curves: Readonly<Record<string, Curve>>): string {
  const shown = Object.entries(curves).filter(([, curve]) => curve.length > 0);
  if (shown.length === 0) return "";
  const points = shown.flatMap(([, curve]) => curve);
  const [maxStep, low, high] = points.reduce(
    ([step, min, max], [x, y]) => [Math.max(step, x), Math.min(min, y), Math.max(max, y)],
    [1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ) as [number, number, number];
  const x = (step: number): string => (left + (step / maxStep) * (width - left - 8)).toFixed(1);
  const y = (value: number): string =>
    (height - bottom - ((value - low) / (high - low || 1)) * (height - bottom - 12)).toFixed(1);
  const lines = shown.map(([name, curve], at) => {
    const every = Math.ceil(curve.length / shownPoints);
    const path = curve.filter((_, index) => index % every === 0 || index === curve.length - 1);
    return `<polyline class="curve${at}" points="${path.map(([step, value]) => `${x(step)},${y(value)}`).join(" ")}"><title>${escapeHtml(name)}</title></polyline>`;
  });
  const legend =
    shown.length > 1
      ? ` (${shown.map(([name], at) => `${["blue", "orange"][at]}: ${name}`).join(", ")})`
      : "";
  return `<h2>${escapeHtml(title)}${escapeHtml(legend)}</h2>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)} by update">
<line class="axis" x1="${left}" y1="${height - bottom}" x2="${width}" y2="${height - bottom}"/><line class="axis" x1="${left}" y1="8" x2="${left}" y2="${height - bottom}"/>
<text x="${left - 6}" y="18" text-anchor="end">${high.toPrecision(3)}</text><text x="${left - 6}" y="${height - bottom}" text-anchor="end">${low.toPrecision(3)}</text>
<text x="${width - 8}" y="${height - 8}" text-anchor="end">update ${maxStep}</text>
${lines.join("\n")}</svg>`;
}

function evaluationTable(evaluations: readonly LogEntry[]): string {
  if (evaluations.length === 0) return "";
  const names = Object.keys(evaluations[0]!.metrics!);
  const rows = evaluations.map(
    ({ step, epoch, metrics }) =>
      `<tr><td>${step}</td><td>${epoch + 1}</td>${names.map((name) => `<td>${metrics![name]?.toFixed(4) ?? ""}</td>`).join("")}</tr>`,
  );
  return `<h2>Evaluations</h2><table><tr><th>update</th><th>epoch</th>${names.map((name) => `<th>${escapeHtml(name)}</th>`).join("")}</tr>${rows.join("")}</table>`;
}
