/** Pairs of a text and its translation: two files whose lines belong together, or two columns of a table. */

import { ConfigError } from "../errors.ts";
import { findColumn } from "./columns.ts";
import type { TranslationExample } from "./examples.ts";
import type { ColumnOptions, Converter } from "./records.ts";
import type { Table } from "./table.ts";
import { type BadRow, linesOf, notUtf8, RowError, type TextFile } from "./text-file.ts";

/** Paths `source,target`, undefined where the path is one file. @throws ConfigError for more than two. */
export function parallelPaths(path: string): [string, string] | undefined {
  const paths = path.split(",");
  if (paths.length === 1) return undefined;
  if (paths.length === 2 && paths.every((part) => part !== "")) return paths as [string, string];
  throw new ConfigError(`${path}: must be one file, or a source and a target file with a comma between them`);
}

/**
 * Line n of the target translates line n of the source; a pair with an empty side is a bad row.
 * @throws ConfigError when one file has more lines than the other.
 */
export function readParallel(
  source: TextFile,
  target: TextFile,
): { examples: TranslationExample[]; badRows: BadRow[] } {
  const [sources, targets] = [source, target].map(allLines) as [string[], string[]];
  if (sources.length !== targets.length) {
    throw new ConfigError(
      `${source.file} and ${target.file}: must have a line for each line of the other, got ${sources.length} and ${targets.length}`,
      { code: "data" },
    );
  }
  const examples: TranslationExample[] = [];
  const badRows: BadRow[] = [];
  for (const [at, text] of sources.entries()) {
    const line = at + 1;
    const bad = [source, target].find(({ badLines }) => badLines.has(line));
    const translation = targets[at]!;
    if (bad) badRows.push({ file: bad.file, line, reason: notUtf8 });
    else if (text && translation) examples.push({ source: text, target: translation });
    else
      badRows.push({ file: (text ? target : source).file, line, reason: "must hold a text, but is empty" });
  }
  return { examples, badRows };
}

const allLines = (file: TextFile): string[] =>
  linesOf({ ...file, badLines: new Set() }, []).map(({ text }) => text.trim());

/** The columns of source and target: named, of a common name, or the only two there are. */
export function translationFrom(table: Table, options: ColumnOptions): Converter<TranslationExample> {
  const [first, second] = table.columns.length === 2 ? table.columns : [];
  const sourceColumn = findColumn(table, "source", options.textColumn) ?? first;
  const targetColumn = findColumn(table, "target", options.pairColumn) ?? second;
  if (sourceColumn === undefined || targetColumn === undefined || sourceColumn === targetColumn) {
    throw new ConfigError(
      `${table.file}: must have a column of sources and one of targets, but its columns are ${table.columns.join(", ")}; name them`,
      { code: "data" },
    );
  }
  return (cells) => ({
    source: textIn(cells[sourceColumn], sourceColumn),
    target: textIn(cells[targetColumn], targetColumn),
  });
}

function textIn(value: unknown, column: string): string {
  if (typeof value === "string" && value.trim() !== "") return value.trim();
  throw new RowError(`${column} must be a text, got ${JSON.stringify(value)?.slice(0, 60) ?? "nothing"}`);
}
