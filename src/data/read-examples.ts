/** Data files to examples, whatever their format. */

import { ConfigError } from "../errors.ts";
import { readConll } from "./conll.ts";
import { type DataFormat, dataFilesAt, formatOf } from "./data-files.ts";
import type { DataTask, ExamplesByTask } from "./examples.ts";
import { parallelPaths, readParallel, translationFrom } from "./parallel.ts";
import { readDocuments, readVerbatim } from "./plain-text.ts";
import { questionsFrom, readSquad } from "./questions.ts";
import {
  type ColumnOptions,
  type Converter,
  choiceFrom,
  classificationFrom,
  documentFrom,
  similarityFrom,
  taggingFrom,
  verbatimFrom,
} from "./records.ts";
import { readDelimited, readJsonLines, type Table } from "./table.ts";
import { type BadRow, convertRows, readTextFile, type TextFile } from "./text-file.ts";

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
  /** For two files whose lines belong together, given as `first,second`. */
  fromFiles?: (first: TextFile, second: TextFile) => ReadResult<T>;
}

const readers: { [T in DataTask]: TaskReader<ExamplesByTask[T]> } = {
  "text-classification": { formats: {}, fromTable: classificationFrom },
  "token-classification": { formats: { conll: readConll, text: readConll }, fromTable: taggingFrom },
  "question-answering": { formats: { squad: readSquad }, fromTable: questionsFrom },
  "sentence-similarity": { formats: {}, fromTable: similarityFrom },
  "masked-lm": { formats: { text: readDocuments }, fromTable: documentFrom },
  "bert-pretraining": { formats: { text: readDocuments }, fromTable: documentFrom },
  "causal-lm": { formats: { text: readVerbatim }, fromTable: verbatimFrom },
  "multiple-choice": { formats: {}, fromTable: choiceFrom },
  translation: { formats: {}, fromTable: translationFrom, fromFiles: readParallel },
};

/** The files that a task's path stands for: itself, those of a folder whose format the task reads, or a pair. */
export async function filesOf(task: DataTask, path: string, { format }: ReadOptions = {}): Promise<string[]> {
  const pair = readers[task].fromFiles && parallelPaths(path);
  if (pair) return pair;
  const direct = Object.keys(readers[task].formats) as DataFormat[];
  return dataFilesAt(path, format ? undefined : [...direct, ...tableFormats]);
}

const tableFormats: readonly DataFormat[] = ["csv", "tsv", "jsonl"];

/**
 * The examples of a file, or of a folder's files in the order of their paths, and the rows that cannot be used.
 * @throws ConfigError (code `data`) when the format does not hold this task, a column is missing, no row can be used,
 *   or, under `strict`, at the first bad row.
 */
export async function readExamples<T extends DataTask>(
  task: T,
  path: string,
  options: ReadOptions = {},
): Promise<ReadResult<ExamplesByTask[T]>> {
  const results = await readAll(task, path, options);
  const result = {
    examples: results.flatMap(({ examples }) => examples),
    badRows: results.flatMap(({ badRows }) => badRows),
  };
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

async function readAll<T extends DataTask>(
  task: T,
  path: string,
  options: ReadOptions,
): Promise<ReadResult<ExamplesByTask[T]>[]> {
  const { fromFiles }: TaskReader<ExamplesByTask[T]> = readers[task];
  const pair = fromFiles && parallelPaths(path);
  if (pair) return [fromFiles(await readTextFile(pair[0]), await readTextFile(pair[1]))];
  const results: ReadResult<ExamplesByTask[T]>[] = [];
  for (const file of await filesOf(task, path, options)) results.push(await readFile(task, file, options));
  return results;
}

async function readFile<T extends DataTask>(
  task: T,
  path: string,
  options: ReadOptions,
): Promise<ReadResult<ExamplesByTask[T]>> {
  const format = options.format ?? formatOf(path);
  const reader: TaskReader<ExamplesByTask[T]> = readers[task];
  const source = await readTextFile(path);
  const direct = reader.formats[format];
  const { examples, badRows } = direct ? direct(source) : readTable(reader, source, format, options);
  return { examples, badRows: badRows.sort((a, b) => a.line - b.line) };
}

/** `file:line: reason`. */
export const showBadRow = ({ file, line, reason }: BadRow): string => `${file}:${line}: ${reason}`;

function readTable<T>(
  reader: TaskReader<T>,
  source: TextFile,
  format: DataFormat,
  options: ReadOptions,
): ReadResult<T> {
  const { file } = source;
  const table = tableOf(source, format, options);
  if (!table) {
    const known = [...Object.keys(reader.formats), ...tableFormats].join(", ");
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
