/** What is said of pictures: captions and keywords in the columns of a table or the JSON of a shard. */

import { findColumn, needColumn, requireColumn } from "./columns.ts";
import type { ImageTextPair } from "./image-text-pairs.ts";
import type { ImageExample } from "./images.ts";
import { RowError } from "./text-file.ts";

export interface CaptionColumns {
  /** Columns with a caption or a list of them; default: a common name (captions, caption, text …). */
  readonly captionColumns?: readonly string[] | undefined;
  /** Columns with a list of words, or with words between commas; default: none. */
  readonly keywordColumns?: readonly string[] | undefined;
  /** The column with the picture's class; default: the example's own label. */
  readonly labelColumn?: string | undefined;
}

/** Examples whose fields tell which columns there are. */
const lookedAt = 100;

/**
 * A function from an example to its pair, which throws a `RowError` where there is no caption.
 * @throws ConfigError (code `data`) when a column is missing.
 */
export function captionReader(
  file: string,
  examples: readonly ImageExample[],
  { captionColumns, keywordColumns = [], labelColumn }: CaptionColumns,
): (example: ImageExample) => ImageTextPair {
  const table = { file, columns: fieldNames(examples) };
  const named = [...(captionColumns ?? []), ...keywordColumns];
  for (const name of labelColumn === undefined ? named : [...named, labelColumn]) requireColumn(table, name);
  const columns = captionColumns ?? [needColumn(table, "caption")];
  return (example) => {
    const captions = captionsIn(example, columns);
    if (captions.length === 0) throw new RowError(`${columns.join(", ")} must hold a caption`, emptyCaption);
    const keywords = textsIn(example, keywordColumns, (text) => text.split(/[,;|]/));
    const label =
      labelColumn === undefined ? example.label : textsIn(example, [labelColumn], (text) => [text])[0];
    return { ...example, label, captions, keywords };
  };
}

/** Columns that hold captions: those given, or one of a common name where there is one. @throws as `captionReader`. */
export function captionColumnsIn(
  file: string,
  examples: readonly ImageExample[],
  { captionColumns }: CaptionColumns,
): readonly string[] {
  const table = { file, columns: fieldNames(examples) };
  for (const name of captionColumns ?? []) requireColumn(table, name);
  const found = findColumn(table, "caption");
  return captionColumns ?? (found === undefined ? [] : [found]);
}

/** The captions of an example in some columns; there may be none. */
export const captionsIn = (example: ImageExample, columns: readonly string[]): string[] =>
  textsIn(example, columns, (text) => [text]);

/** Names of the fields of the first examples. */
export const fieldNames = (examples: readonly ImageExample[]): string[] => [
  ...new Set(examples.slice(0, lookedAt).flatMap(({ fields }) => Object.keys(fields ?? {}))),
];

/** Kind of a bad row without a text. */
const emptyCaption = "empty caption";

/** All different texts of some fields, without white space around them; `cut` is what a text that is no list becomes. */
function textsIn(
  { fields = {} }: ImageExample,
  columns: readonly string[],
  cut: (text: string) => string[],
): string[] {
  const values = columns.flatMap((column) => {
    const value = fields[column];
    return typeof value === "string" ? cut(value) : Array.isArray(value) ? (value as unknown[]) : [];
  });
  const texts = values.filter((value) => typeof value === "string").map((text) => text.trim());
  return [...new Set(texts.filter((text) => text !== ""))];
}
