/** Tables with a column of paths to pictures. */

import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import { findColumn, needColumn } from "./columns.ts";
import type { ImageExample, ImageSet } from "./images.ts";
import { readDelimited, readJsonLines, type Table } from "./table.ts";
import { convertRows, missingImage, RowError, readTextFile } from "./text-file.ts";

export interface ImageTableOptions {
  /** The column with paths, relative to the table's folder; default: a common name (image, path, file …). */
  readonly imageColumn?: string;
  /** The column with the label; default: a common name where there is one (label, class …). */
  readonly labelColumn?: string;
}

/** CSV, TSV or JSON lines. @throws ConfigError (code `data`) when a column is missing. */
export async function readImageTable(path: string, options: ImageTableOptions): Promise<ImageSet> {
  const table = await readTable(path);
  if (table.rows.length === 0) return { examples: [], badRows: table.badRows };
  const imageColumn = needColumn(table, "image", options.imageColumn);
  const labelColumn = findColumn(table, "label", options.labelColumn);
  const folder = dirname(path);
  const examples = convertRows(path, table.rows, table.badRows, ({ cells, line }): ImageExample => {
    const name = cells[imageColumn];
    if (typeof name !== "string" || name.trim() === "") {
      throw new RowError(`${imageColumn} must be a path, got ${JSON.stringify(name)}`, missingImage);
    }
    const label = labelColumn === undefined ? undefined : labelOf(cells[labelColumn], labelColumn);
    const source = resolve(folder, name);
    const row = { file: path, line };
    return { source, label, fields: cells, row, load: () => readNamed(source, `${path}:${line}`) };
  });
  return { examples, badRows: table.badRows };
}

async function readTable(path: string): Promise<Table> {
  const file = await readTextFile(path);
  const extension = /\.(\w+?)(\.gz)?$/.exec(path.toLowerCase())?.[1];
  if (extension === "csv") return readDelimited(file, { delimiter: ",", quoting: true });
  return extension === "tsv" ? readDelimited(file, { delimiter: "\t", quoting: false }) : readJsonLines(file);
}

function labelOf(value: unknown, column: string): string {
  const name = typeof value === "number" || typeof value === "boolean" ? `${value}` : value;
  if (typeof name === "string" && name.trim() !== "") return name.trim();
  throw new RowError(`${column} must be a label, got ${JSON.stringify(value)}`);
}

/** The bytes of a picture that a row names. @throws ConfigError (code `data`) when they cannot be read. */
export const readNamed = (file: string, row: string): Promise<Uint8Array> =>
  readFile(file).catch((cause: unknown) => {
    throw new ConfigError(`${row}: names the picture ${file}, which cannot be read`, { code: "data", cause });
  });
