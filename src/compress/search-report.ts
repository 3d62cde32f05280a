/** A self-contained HTML page of a search: what was tried, by speed and accuracy, with the Pareto front. */

import type { Contract } from "./choice.ts";
import type { CompressResult, Measured } from "./compress.ts";
import type { Trial } from "./trial-folder.ts";

const [width, height, left, bottom] = [680, 340, 64, 36];

export function searchReport(title: string, contract: Contract, result: CompressResult): string {
  const heading = escapeHtml(`${title}: smaller and faster`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${heading}</title><style>
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:960px;margin:2rem auto;padding:0 1rem}
svg{width:100%;height:auto}text{fill:currentColor;font-size:12px}.axis{stroke:currentColor;opacity:.4}
.limit{stroke:#d9622b;stroke-dasharray:5 4}.front{fill:none;stroke:#2f6fde;stroke-width:2}
circle{fill:#2f6fde;fill-opacity:.45}circle.best{fill:#1d9a55;fill-opacity:1}circle.refused{fill:#999}
table{border-collapse:collapse}td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #8884}
td:first-child,th:first-child{text-align:left}.chosen{font-weight:bold}.refused td{opacity:.6}
</style></head><body><h1>${heading}</h1>
<p>${escapeHtml(contractLine(contract))}. The teacher has ${percent(result.teacherAccuracy)}. ${escapeHtml(outcomeLine(result))}</p>
${chart(contract, result)}
<p>Each point is a model: to the right faster than the teacher, further up more accurate. The line is the Pareto front, the
dashed line the least accuracy of the contract, grey what was refused.</p>
${table(result)}
</body></html>
`;
}

export const contractLine = ({ maxDrop, targetLatencyMs, targetSizeBytes }: Contract): string =>
  [
    `At most ${maxDrop} points of accuracy lost`,
    ...(targetLatencyMs === undefined ? [] : [`${targetLatencyMs} ms an example or less`]),
    ...(targetSizeBytes === undefined ? [] : [`${(targetSizeBytes / 1e6).toFixed(1)} MB or less`]),
  ].join(", ");

function outcomeLine({ chosen, isMet, published }: CompressResult): string {
  if (!chosen) return "Every trial was refused.";
  return isMet
    ? `Chosen: ${chosen.name}, stored as ${published?.ref}.`
    : `Nothing meets the contract; the best found is: ${chosen.name}.`;
}

const speedupOf = ({ figures }: Measured): number => figures.teacherLatencyMs / figures.latencyMs;
const hasFigures = (trial: Trial): trial is Measured => trial.figures !== undefined;

/** Speed on a logarithmic axis against accuracy. */
function chart({ maxDrop }: Contract, { trials, front, chosen, teacherAccuracy }: CompressResult): string {
  const shown = trials.filter(hasFigures);
  const least = teacherAccuracy - maxDrop / 100;
  const accuracies = [teacherAccuracy, least, ...shown.map(({ figures }) => figures.accuracy)];
  const [low, high] = [Math.min(...accuracies) - 0.005, Math.max(...accuracies) + 0.005];
  const logs = [0, ...shown.map((trial) => Math.log(speedupOf(trial)))];
  const [slow, fast] = [Math.min(...logs) - 0.1, Math.max(...logs) + 0.1];
  const x = (speedup: number): string =>
    (left + ((Math.log(speedup) - slow) / (fast - slow)) * (width - left - 12)).toFixed(1);
  const y = (accuracy: number): string =>
    (height - bottom - ((accuracy - low) / (high - low)) * (height - bottom - 12)).toFixed(1);
  const place = (trial: Measured): string => `${x(speedupOf(trial))},${y(trial.figures.accuracy)}`;
  const points = shown.map((trial) => {
    const kind = trial.refused ? "refused" : trial === chosen ? "best" : "";
    const [cx, cy] = place(trial).split(",");
    const label = `${trial.name}: ${percent(trial.figures.accuracy)}, ${speedupOf(trial).toFixed(2)} × faster`;
    return `<circle class="${kind}" cx="${cx}" cy="${cy}" r="6"><title>${escapeHtml(label)}</title></circle>`;
  });
  const ordered = [...front].sort((a, b) => speedupOf(a) - speedupOf(b));
  const ticks = [0.5, 1, 2, 4, 8, 16, 32].filter((at) => Math.log(at) >= slow && Math.log(at) <= fast);
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="accuracy against speed">
<line class="axis" x1="${left}" y1="${height - bottom}" x2="${width}" y2="${height - bottom}"/><line class="axis" x1="${left}" y1="8" x2="${left}" y2="${height - bottom}"/>
<line class="limit" x1="${left}" y1="${y(least)}" x2="${width}" y2="${y(least)}"/>
${ticks.map((at) => `<text x="${x(at)}" y="${height - 18}" text-anchor="middle">${at} ×</text>`).join("")}
${[low, high].map((at) => `<text x="${left - 6}" y="${y(at)}" text-anchor="end">${percent(at)}</text>`).join("")}
<text x="${width - 8}" y="${height - 4}" text-anchor="end">faster than the teacher, one example at a time</text>
<polyline class="front" points="${ordered.map(place).join(" ")}"/>
<circle cx="${x(1)}" cy="${y(teacherAccuracy)}" r="5" style="fill:currentColor"><title>teacher</title></circle>
${points.join("\n")}</svg>`;
}

/** Heads of the columns of `cellsOf`, after the name. */
export const trialColumns = [
  "model",
  "accuracy",
  "points lost (95 %)",
  "ms",
  "faster",
  "items/s",
  "MB",
  "smaller",
  "mJ",
];

function table({ trials, chosen }: CompressResult): string {
  const rows = trials.map((trial) => {
    const kind = trial === chosen ? "chosen" : trial.refused ? "refused" : "";
    const reason = trial.refused ? ` (refused: ${trial.refused})` : "";
    const cells = hasFigures(trial) ? cellsOf(trial) : trialColumns.slice(1).map(() => "");
    const name = `<td>${escapeHtml(trial.name + reason)}</td>`;
    return `<tr class="${kind}">${name}${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
  });
  return `<table><tr>${trialColumns.map((name) => `<th>${name}</th>`).join("")}</tr>${rows.join("\n")}</table>`;
}

/** What tables say of a trial after its name. */
export function cellsOf(trial: Measured): string[] {
  const { figures } = trial;
  const [low, high] = figures.pointsLostInterval.map((points) => points.toFixed(1));
  return [
    percent(figures.accuracy),
    `${figures.pointsLost.toFixed(2)} (${low} to ${high})`,
    figures.latencyMs.toFixed(2),
    `${speedupOf(trial).toFixed(2)} ×`,
    figures.itemsPerSecond.toFixed(0),
    (figures.sizeBytes / 1e6).toFixed(2),
    `${(figures.teacherSizeBytes / figures.sizeBytes).toFixed(2)} ×`,
    figures.millijoules.toFixed(1),
  ];
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
