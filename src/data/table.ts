/** Files of records with named columns: CSV, TSV and JSON lines. */

import { parse } from "csv-parse/sync";
import { ConfigError } from "../errors.ts";
import { type BadRow, convertRows, linesOf, notUtf8, RowError, type TextFile } from "./text-file.ts";

export interface TableRow {
  line: number; // from 1, where the row starts
  cells: Record<string, unknown>; // strings in CSV and TSV
}

export interface Table {
  file: string;
  columns: readonly string[];
  rows: TableRow[];
  badRows: BadRow[];
}

export interface DelimitedOptions {
  delimiter: "," | "\t";
  /** Whether `"` encloses cells that hold the delimiter or line ends. */
  quoting: boolean;
  /** The columns' names where the file has no header. */
  columns?: readonly string[] | undefined;
}

interface RawRow {
  cells: string[];
  line: number;
  lastLine: number;
}

/** CSV or TSV. @throws ConfigError when the header is missing or names a column twice. */
export function readDelimited(source: TextFile, options: DelimitedOptions): Table {
  const { file } = source;
  const badRows: BadRow[] = [];
  const rawRows = parseDelimited(source, options, badRows);
  const columns = options.columns ?? rawRows.shift()?.cells.map((name) => name.trim()) ?? [];
  const twice = columns.find((name, i) => columns.indexOf(name) < i);
  if (twice !== undefined) {
    throw new ConfigError(`${file}: the header must name each column once, but has "${twice}" twice`, {
      code: "data",
    });
  }
  const rows = convertRows(file, rawRows, badRows, ({ cells, line, lastLine }): TableRow => {
    for (let i = line; i <= lastLine; i++) if (source.badLines.has(i)) throw new RowError(notUtf8);
    if (cells.length !== columns.length) {
      throw new RowError(`must have ${columns.length} cells (${columns.join(", ")}), got ${cells.length}`);
    }
    return { line, cells: Object.fromEntries(columns.map((name, i) => [name, cells[i]])) };
  });
  return { file, columns, rows, badRows };
}

/** A quote that is never closed ends the file there, as one bad row. */
function parseDelimited(source: TextFile, options: DelimitedOptions, badRows: BadRow[]): RawRow[] {
  const rows: RawRow[] = [];
  let parsedLines = 0;
  try {
    parse(source.text, {
      delimiter: options.delimiter,
      quote: options.quoting ? '"' : null,
      relax_quotes: true,
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: (cells: string[], { lines }) => {
        const lastLine = lines;
        const inner = cells.reduce((count, cell) => count + cell.split("\n").length - 1, 0);
        rows.push({ cells, line: lastLine - inner, lastLine });
        parsedLines = lastLine;
        return null;
      },
    });
  } catch (cause) {
    const reason = `cannot be parsed, nor can what follows (${(cause as Error).message})`;
    badRows.push({ file: source.file, line: parsedLines + 1, reason });
  }
  return rows;
}

/** One JSON object a line. The columns are the first object's keys. */
export function readJsonLines(source: TextFile): Table {
  const badRows: BadRow[] = [];
  const lines = linesOf(source, badRows).filter(({ text }) => text.trim() !== "");
  const rows = convertRows(source.file, lines, badRows, ({ line, text }) => ({
    line,
    cells: parseObject(text),
  }));
  return { file: source.file, columns: Object.keys(rows[0]?.cells ?? {}), rows, badRows };
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RowError(`is not valid JSON (${(error as Error).message})`);
  }
  if (isRecord(value)) return value;
  throw new RowError("must be a JSON object");
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
