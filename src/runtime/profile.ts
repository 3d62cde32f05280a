/** Where the time of a session goes: ORT's profile, summed by op type or by node. */

import { voidOutput } from "./onnx-bytes.ts";

export interface OpProfile {
  /** The op type, or the node's name when summed by node. */
  name: string;
  op: string;
  provider: string;
  calls: number;
  timeMs: number;
  /** Part of all ops' time, 0 to 1. */
  share: number;
}

/** An event of ORT's profile (Chrome trace format); `dur` is in µs. */
interface TraceEvent {
  cat?: string;
  name?: string;
  dur?: number;
  args?: { op_name?: string; provider?: string };
}

const KERNEL = /_kernel_time$/;

/** Sums the JSON text of ORT's profile; the slowest row first. Ops inside a loop or branch count in both. */
export function parseProfile(json: string, by: "op" | "node"): OpProfile[] {
  const rows = new Map<string, OpProfile>();
  let totalMs = 0;
  for (const { cat, name = "", dur = 0, args } of JSON.parse(json) as TraceEvent[]) {
    if (cat !== "Node" || !KERNEL.test(name) || !args?.op_name || name.startsWith(voidOutput)) continue;
    const provider = (args.provider ?? "").replace(/ExecutionProvider$/, "").toLowerCase();
    const key = by === "op" ? args.op_name : name.replace(KERNEL, "");
    const id = `${key} ${provider}`;
    const row = rows.get(id) ?? { name: key, op: args.op_name, provider, calls: 0, timeMs: 0, share: 0 };
    row.calls++;
    row.timeMs += dur / 1000;
    totalMs += dur / 1000;
    rows.set(id, row);
  }
  const sorted = [...rows.values()].sort((a, b) => b.timeMs - a.timeMs);
  return sorted.map((row) => ({ ...row, share: totalMs > 0 ? row.timeMs / totalMs : 0 }));
}

/** A text table of profile rows, the slowest first, with a line of sums. */
export function profileTable(rows: readonly OpProfile[]): string {
  const sum = (value: (row: OpProfile) => number): number =>
    rows.reduce((total, row) => total + value(row), 0);
  const total = { name: "total", provider: "", calls: sum((r) => r.calls), timeMs: sum((r) => r.timeMs) };
  const sorted = [...rows].sort((a, b) => b.timeMs - a.timeMs);
  const cells = [...sorted, { ...total, share: rows.length > 0 ? 1 : 0 }].map((row) => [
    row.name,
    row.provider,
    String(row.calls),
    row.timeMs.toFixed(2),
    (row.timeMs / Math.max(1, row.calls)).toFixed(3),
    `${(row.share * 100).toFixed(1)} %`,
  ]);
  const table = [["op", "provider", "calls", "ms", "ms/call", "share"], ...cells];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const isText = (column: number): boolean => column < 2;
  return table
    .map((row) =>
      row.map((cell, at) => (isText(at) ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join("  "),
    )
    .map((line) => line.trimEnd())
    .join("\n");
}
