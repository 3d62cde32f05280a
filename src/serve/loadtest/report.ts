/** A load test as one HTML page that needs nothing else. */

import type { LoadResult, Second } from "./run.ts";

/** One part of a test, at a rate of its own. */
export interface Stage {
  readonly name: string;
  readonly rate: number;
  readonly result: LoadResult;
}

const [width, height, left, bottom] = [640, 220, 56, 24];

/** `facts`: what was tested, as names and values. */
export function loadReportHtml(
  title: string,
  facts: Readonly<Record<string, string>>,
  stages: readonly Stage[],
): string {
  const seconds = stages.flatMap(({ result }) => result.seconds);
  const rows = stages.map(
    ({ name, rate, result }) =>
      `<tr><th>${escapeHtml(name)}</th>${[
        rate.toFixed(1),
        result.answeredPerSecond.toFixed(1),
        result.latencyMs.p50.toFixed(1),
        result.latencyMs.p90.toFixed(1),
        result.latencyMs.p99.toFixed(1),
        result.latencyMs.max.toFixed(1),
        String(result.rejected),
        String(result.failed),
      ]
        .map((cell) => `<td>${cell}</td>`)
        .join("")}</tr>`,
  );
  const head = ["stage", "rate/s", "answered/s", "p50 ms", "p90 ms", "p99 ms", "max ms", "refused", "failed"];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:760px;margin:2rem auto;padding:0 1rem}
svg{width:100%;height:auto}text{fill:currentColor;font-size:12px}.axis{stroke:currentColor;opacity:.3}
polyline{fill:none;stroke-width:2}.curve0{stroke:#2f6fde}.curve1{stroke:#d9622b}
table{border-collapse:collapse}td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #8884}
</style></head><body><h1>${escapeHtml(title)}</h1>
<dl>${Object.entries(facts)
    .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join("")}</dl>
<table><tr>${head.map((cell) => `<th>${cell}</th>`).join("")}</tr>${rows.join("")}</table>
${chart("Latency in ms by second (blue: p50, orange: p99), from the intended start", seconds, [
  ({ p50Ms }) => p50Ms,
  ({ p99Ms }) => p99Ms,
])}
${chart("Requests by second (blue: sent, orange: answered)", seconds, [
  ({ sent }) => sent,
  ({ answered }) => answered,
])}
</body></html>
`;
}

function chart(
  title: string,
  seconds: readonly Second[],
  measures: readonly ((second: Second) => number)[],
): string {
  const high = Math.max(1, ...seconds.flatMap((second) => measures.map((measure) => measure(second))));
  const x = (at: number): string =>
    (left + (at / Math.max(1, seconds.length - 1)) * (width - left - 8)).toFixed(1);
  const y = (value: number): string => (height - bottom - (value / high) * (height - bottom - 12)).toFixed(1);
  const lines = measures.map(
    (measure, at) =>
      `<polyline class="curve${at}" points="${seconds.map((second, index) => `${x(index)},${y(measure(second))}`).join(" ")}"/>`,
  );
  return `<h2>${escapeHtml(title)}</h2>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">
<line class="axis" x1="${left}" y1="${height - bottom}" x2="${width}" y2="${height - bottom}"/><line class="axis" x1="${left}" y1="8" x2="${left}" y2="${height - bottom}"/>
<text x="${left - 6}" y="18" text-anchor="end">${high.toPrecision(3)}</text><text x="${width - 8}" y="${height - 6}" text-anchor="end">second ${seconds.length}</text>
${lines.join("\n")}</svg>`;
}

const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
