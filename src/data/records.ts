/** From a table's rows to the examples of a task. */

import { findColumn, needColumn, plainName } from "./columns.ts";
import type {
  ChoiceExample,
  ClassificationExample,
  DocumentExample,
  SimilarityExample,
  TaggingExample,
} from "./examples.ts";
import { verbatimPieces } from "./plain-text.ts";
import { tagsOfSpans } from "./spans.ts";
import type { Table } from "./table.ts";
import { RowError } from "./text-file.ts";

export type LabelKind = "single" | "multi" | "regression";

export interface ColumnOptions {
  /** The column with the text; default: a common name (text, sentence, review, content, premise …). */
  textColumn?: string;
  /** The column with the second text; default: a common name (sentence2, hypothesis …) where there is one. */
  pairColumn?: string;
  /** The column with the label or tags; default: a common name (label, category, intent, score …). */
  labelColumn?: string;
  /** What a label is; default: multi where it is a list, regression where the column is a score, else single. */
  labelKind?: LabelKind;
}

type Cells = Record<string, unknown>;

/** A function from a row's cells to an example, after looking the columns up once. It throws `RowError`. */
export type Converter<T> = (cells: Cells) => T;

export function classificationFrom(table: Table, options: ColumnOptions): Converter<ClassificationExample> {
  const text = needColumn(table, "text", options.textColumn);
  const pair = findColumn(table, "pair", options.pairColumn);
  const label = needColumn(table, "label", options.labelColumn);
  const kind = options.labelKind ?? (/(score|similarity)$/.test(plainName(label)) ? "regression" : undefined);
  return (cells) => ({
    text: textOf(cells, text),
    ...(pair === undefined ? {} : { textPair: textOf(cells, pair) }),
    label: labelOf(cells[label], label, kind),
  });
}

/** Two texts and how alike they are. */
export function similarityFrom(table: Table, options: ColumnOptions): Converter<SimilarityExample> {
  const text = needColumn(table, "text", options.textColumn);
  const pair = needColumn(table, "pair", options.pairColumn);
  const score = needColumn(table, "label", options.labelColumn);
  return (cells) => ({
    text: textOf(cells, text),
    textPair: textOf(cells, pair),
    score: numberOf(cells[score], score),
  });
}

function numberOf(value: unknown, column: string): number {
  const number = typeof value === "string" && value.trim() === "" ? Number.NaN : Number(value);
  if (Number.isFinite(number)) return number;
  throw new RowError(`${column} must be a number, got ${show(value)}`);
}

function labelOf(value: unknown, column: string, kind: LabelKind | undefined): string | string[] | number {
  if (kind === "regression") return numberOf(value, column);
  if (kind === "multi" || (kind === undefined && Array.isArray(value))) return labelList(value, column);
  const name = nameOf(value);
  if (name === undefined) throw new RowError(`${column} must be a label, got ${show(value)}`);
  return name;
}

/** A list, or a text with labels between commas, semicolons or bars. */
function labelList(value: unknown, column: string): string[] {
  const parts = Array.isArray(value) ? value : typeof value === "string" ? value.split(/[,;|]/) : undefined;
  if (!parts) throw new RowError(`${column} must be a list of labels, got ${show(value)}`);
  const names = parts.map(nameOf).filter((name) => name !== undefined);
  return [...new Set(names)];
}

/** Words and their tags, or, in tables without a column of words, a text with spans of its characters. */
export function taggingFrom(table: Table, options: ColumnOptions): Converter<TaggingExample> {
  const text = findColumn(table, "tokens", options.textColumn) ? undefined : findColumn(table, "text");
  if (text !== undefined) {
    const spans = needColumn(table, "spans", options.labelColumn);
    return (cells) => tagsOfSpans(textOf(cells, text), cells[spans]);
  }
  const tokenColumn = needColumn(table, "tokens", options.textColumn);
  const tagColumn = needColumn(table, "tags", options.labelColumn);
  return (cells) => {
    const tokens = namesOf(cells, tokenColumn);
    const tags = namesOf(cells, tagColumn);
    if (tokens.length === tags.length && tokens.length > 0) return { tokens, tags };
    throw new RowError(
      `must have one tag for each token, got ${tokens.length} tokens and ${tags.length} tags`,
    );
  };
}

/** A document a row, its text as it stands. */
export function verbatimFrom(table: Table, options: ColumnOptions): Converter<DocumentExample> {
  const column = needColumn(table, "text", options.textColumn);
  return (cells) => ({ sentences: verbatimPieces(textOf(cells, column)) });
}

/** A document a row: a list of sentences, or a text with one on each line. */
export function documentFrom(table: Table, options: ColumnOptions): Converter<DocumentExample> {
  const listed =
    options.textColumn === undefined && table.columns.includes("sentences") ? "sentences" : undefined;
  const column = listed ?? needColumn(table, "text", options.textColumn);
  return (cells) => {
    const lines = Array.isArray(cells[column]) ? namesOf(cells, column) : textOf(cells, column).split("\n");
    return { sentences: lines.map((line) => line.trim()).filter((line) => line !== "") };
  };
}

/** Choices are a list in `choices`, or columns such as choice0, ending1, option_a. A context comes before a question. */
export function choiceFrom(table: Table, options: ColumnOptions): Converter<ChoiceExample> {
  const prompt = needColumn(table, "prompt", options.textColumn);
  const second = table.columns.find((name) => name !== prompt && plainName(name) === "question");
  const answer = needColumn(table, "answer", options.labelColumn);
  const columns = table.columns.filter((name) =>
    /^(choice|ending|option|answer)(\d+|[a-h])$/.test(plainName(name)),
  );
  return (cells) => {
    const texts = [prompt, ...(second ? [second] : [])].map((column) => textOf(cells, column));
    const choices =
      columns.length > 0 ? columns.map((name) => textOf(cells, name)) : namesOf(cells, "choices");
    if (choices.length < 2) throw new RowError(`must have at least two choices, got ${choices.length}`);
    return { prompt: texts.join(" "), choices, label: choiceIndex(cells[answer], answer, choices.length) };
  };
}

/** 0, "0" or "A" is the first choice. */
function choiceIndex(value: unknown, column: string, count: number): number {
  const name = nameOf(value) ?? "";
  const index = /^[A-Ha-h]$/.test(name)
    ? name.toUpperCase().charCodeAt(0) - 65
    : /^\d+$/.test(name)
      ? Number(name)
      : -1;
  if (index >= 0 && index < count) return index;
  throw new RowError(`${column} must number one of the ${count} choices from 0 (or A), got ${show(value)}`);
}

function textOf(cells: Cells, column: string): string {
  const value = cells[column];
  if (typeof value === "string" && value.trim() !== "") return value;
  throw new RowError(`${column} must be a text, got ${show(value)}`);
}

/** A label's name; `undefined` where there is none. */
function nameOf(value: unknown): string | undefined {
  if (typeof value !== "string")
    return typeof value === "number" || typeof value === "boolean" ? `${value}` : undefined;
  return value.trim() === "" ? undefined : value.trim();
}

function namesOf(cells: Cells, column: string): string[] {
  const value = cells[column];
  if (!Array.isArray(value)) throw new RowError(`${column} must be a list, got ${show(value)}`);
  return value.map((part) => {
    if (typeof part === "string" || typeof part === "number") return String(part);
    throw new RowError(`${column} must be a list of texts, but holds ${show(part)}`);
  });
}

const show = (value: unknown): string =>
  value === undefined ? "nothing" : JSON.stringify(value).slice(0, 60);
