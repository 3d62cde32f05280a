/** Numbers, sizes and tables as people read them. */

/** 1234567 → "1,234,567". */
export const showCount = (value: number): string =>
  value.toLocaleString("en-US", { maximumFractionDigits: 0 });

/** Bytes with a decimal unit, as disks and file managers show them: "4.2 MB". */
export function showBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** Milliseconds as "0.42 s", "12 s", "3:05" or "1:02:03". */
export function showDuration(durationMs: number): string {
  const seconds = durationMs / 1000;
  if (seconds < 10) return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const tail = [hours > 0 ? String(minutes).padStart(2, "0") : minutes, String(whole % 60).padStart(2, "0")];
  return [...(hours > 0 ? [hours] : []), ...tail].join(":");
}

/** A metric: whole numbers as they are, others to 4 digits. */
export const showMetric = (value: number): string =>
  Number.isInteger(value) ? String(value) : value.toPrecision(4);

/** `accuracy 0.8312, loss 0.4120`; empty for none. */
export const showMetrics = (metrics: Readonly<Record<string, number>>): string =>
  Object.entries(metrics)
    .map(([name, value]) => `${name} ${showMetric(value)}`)
    .join(", ");

/** Rows under a header in aligned columns; columns of `numeric` are aligned to the right. */
export function showTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: readonly number[] = [],
): string {
  const table = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const align = (cell: string, column: number): string =>
    numeric.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
  return table.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}

/** Names and values, one pair a line, values aligned. */
export function showPairs(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd()).join("\n");
}
