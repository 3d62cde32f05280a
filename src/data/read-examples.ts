/** Data files to examples, whatever their format. */

import { ConfigError } from "../errors.ts";
import { readConll } from "./conll.ts";
import type { DataTask, ExamplesByTask } from "./examples.ts";
import { readDocuments, readLines } from "./plain-text.ts";
import { questionsFrom, readSquad } from "./questions.ts";
import {
  type ColumnOptions,
  type Converter,
  choiceFrom,
  classificationFrom,
  documentFrom,
  taggingFrom,
  textFrom,
} from "./records.ts";
import { readDelimited, readJsonLines, type Table } from "./table.ts";
import { type BadRow, convertRows, readTextFile, type TextFile } from "./text-file.ts";

export type DataFormat = "csv" | "tsv" | "jsonl" | "conll" | "squad" | "text";

export interface ReadOptions extends ColumnOptions {
  /** Default: by the file's extension, before `.gz`. */
  format?: DataFormat;
  /** The columns' names where a CSV or TSV file has no header. */
  columns?: readonly string[];
  /** Whether `"` encloses cells; default true in CSV, false in TSV. */
  quoting?: boolean;
  /** Stop at the first bad row instead of counting it; default false. */
  strict?: boolean;
}

export interface ReadResult<T> {
  examples: T[];
  badRows: BadRow[];
}

interface TaskReader<T> {
  /** For formats that hold this task's examples directly. */
  formats: Partial<Record<DataFormat, (source: TextFile) => ReadResult<T>>>;
  /** For tables. */
  fromTable: (table: Table, options: ColumnOptions) => Converter<T>;
}

const readers: { [T in DataTask]: TaskReader<ExamplesByTask[T]> } = {
  "text-classification": { formats: {}, fromTable: classificationFrom },
  "token-classification": { formats: { conll: readConll, text: readConll }, fromTable: taggingFrom },
  "question-answering": { formats: { squad: readSquad }, fromTable: questionsFrom },
  "masked-lm": { formats: { text: readLines }, fromTable: textFrom },
  "bert-pretraining": { formats: { text: readDocuments }, fromTable: documentFrom },
  "multiple-choice": { formats: {}, fromTable: choiceFrom },
};

/**
 * The file's examples, and its rows that cannot be used.
 * @throws ConfigError (code `data`) when the format does not hold this task, a column is missing, no row can be used,
 *   or, under `strict`, at the first bad row.
 */
export async function readExamples<T extends DataTask>(
  task: T,
  path: string,
  options: ReadOptions = {},
): Promise<ReadResult<ExamplesByTask[T]>> {
  const format = options.format ?? formatOf(path);
  const reader: TaskReader<ExamplesByTask[T]> = readers[task];
  const source = await readTextFile(path);
  const direct = reader.formats[format];
  const result = direct ? direct(source) : readTable(reader, source, format, options);
  result.badRows.sort((a, b) => a.line - b.line);
  const [first] = result.badRows;
  if (first && options.strict) throw new ConfigError(showBadRow(first), { code: "data" });
  if (result.examples.length === 0) {
    const why = first
      ? `all ${result.badRows.length} rows are bad, the first: ${showBadRow(first)}`
      : "it has no rows";
    throw new ConfigError(`${path}: holds no example for ${task}; ${why}`, { code: "data" });
  }
  return result;
}

/** `file:line: reason`. */
export const showBadRow = ({ file, line, reason }: BadRow): string => `${file}:${line}: ${reason}`;

const formatByExtension: Record<string, DataFormat> = {
  csv: "csv",
  tsv: "tsv",
  jsonl: "jsonl",
  ndjson: "jsonl",
  conll: "conll",
  bio: "conll",
  iob: "conll",
  iob2: "conll",
  json: "squad",
  txt: "text",
};

function formatOf(path: string): DataFormat {
  const extension = /\.([^./\\]+)(?:\.gz)?$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  const format = formatByExtension[extension];
  if (format) return format;
  const known = Object.keys(formatByExtension).join(", ");
  throw new ConfigError(`${path}: its extension must be one of ${known} (or with .gz); else give the format`);
}

function readTable<T>(
  reader: TaskReader<T>,
  source: TextFile,
  format: DataFormat,
  options: ReadOptions,
): ReadResult<T> {
  const { file } = source;
  const table = tableOf(source, format, options);
  if (!table) {
    const known = [...Object.keys(reader.formats), "csv", "tsv", "jsonl"].join(", ");
    throw new ConfigError(`${file}: ${format} does not hold examples of this task; use ${known}`, {
      code: "data",
    });
  }
  if (table.rows.length === 0) return { examples: [], badRows: table.badRows };
  const convert = reader.fromTable(table, options);
  const examples = convertRows(file, table.rows, table.badRows, ({ cells }) => convert(cells));
  return { examples, badRows: table.badRows };
}

function tableOf(source: TextFile, format: DataFormat, { columns, quoting }: ReadOptions): Table | undefined {
  if (format === "csv") return readDelimited(source, { delimiter: ",", quoting: quoting ?? true, columns });
  if (format === "tsv") return readDelimited(source, { delimiter: "\t", quoting: quoting ?? false, columns });
  return format === "jsonl" ? readJsonLines(source) : undefined;
}
