/**
 * Parquet files with pictures: embedded as Hugging Face's `datasets` writes them (`{bytes, path}`), as plain bytes, or
 * as paths. Pictures are read a row group at a time, when one of it is asked for.
 */

import { dirname, resolve } from "node:path";
import type { AsyncBuffer, FileMetaData } from "hyparquet";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { LRUCache } from "lru-cache";
import { ConfigError } from "../errors.ts";
import { findColumn, needColumn } from "./columns.ts";
import { type ImageTableOptions, readNamed } from "./image-table.ts";
import type { ImageExample, ImageSet } from "./images.ts";
import { isRecord } from "./table.ts";

export const isParquet = (name: string): boolean => /\.parquet$/i.test(name);

/**
 * Every row of a file; all its columns but those of pictures are the examples' fields.
 * @throws ConfigError (code `data`) when the file is damaged or has no column of pictures.
 */
export async function readParquet(path: string, options: ImageTableOptions): Promise<ImageSet> {
  const file = await openFile(path);
  const imageColumn = needColumn({ file: path, columns: file.columns }, "image", options.imageColumn);
  const labelColumn = findColumn({ file: path, columns: file.columns }, "label", options.labelColumn);
  const fieldColumns = file.columns.filter((name) => name !== imageColumn && !file.binaries.has(name));
  const classes = labelColumn === undefined ? undefined : classNames(file.metadata, labelColumn);
  const examples: ImageExample[] = [];
  for (const group of groupsOf(path, file, imageColumn)) {
    const rows = await readRows(file, fieldColumns, group);
    for (const [at, fields] of rows.entries()) {
      const line = group.start + at + 1;
      const label = labelColumn === undefined ? undefined : labelOf(fields[labelColumn], classes);
      examples.push({
        source: `${path}:${line}`,
        label,
        fields,
        row: { file: path, line },
        part: group.key,
        load: () => loadPicture(group, at),
      });
    }
  }
  return { examples, badRows: [] };
}

interface ParquetFile {
  readonly path: string;
  readonly buffer: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly columns: readonly string[];
  /** Columns that embed files. */
  readonly binaries: ReadonlySet<string>;
}

async function openFile(path: string): Promise<ParquetFile> {
  const buffer = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(buffer).catch((cause: unknown) => {
    throw damaged(path, cause);
  });
  const { children } = parquetSchema(metadata);
  const embeds = children.filter((column) => column.children.some(({ element }) => element.name === "bytes"));
  const nameOf = ({ element }: (typeof children)[number]): string => element.name;
  return { path, buffer, metadata, columns: children.map(nameOf), binaries: new Set(embeds.map(nameOf)) };
}

const damaged = (path: string, cause: unknown): ConfigError =>
  new ConfigError(`${path}: is no Parquet file or is damaged (${(cause as Error).message})`, {
    code: "data",
    cause,
  });

/** Rows that are read together. */
interface RowGroup {
  readonly key: string;
  readonly file: ParquetFile;
  readonly imageColumn: string;
  readonly start: number;
  readonly end: number;
}

function groupsOf(path: string, file: ParquetFile, imageColumn: string): RowGroup[] {
  let end = 0;
  return file.metadata.row_groups.map(({ num_rows: count }, at) => {
    const start = end;
    end += Number(count);
    return { key: `${path}#${imageColumn}#${at}`, file, imageColumn, start, end };
  });
}

/** Cells of some columns, whole numbers as numbers. */
async function readRows(
  { path, buffer, metadata }: ParquetFile,
  columns: readonly string[],
  { start, end }: Pick<RowGroup, "start" | "end">,
): Promise<Record<string, unknown>[]> {
  if (columns.length === 0) return Array.from({ length: end - start }, () => ({}));
  const range = { columns: [...columns], rowStart: start, rowEnd: end };
  const rows = await parquetReadObjects({ file: buffer, metadata, compressors, utf8: false, ...range }).catch(
    (cause: unknown) => {
      throw damaged(path, cause);
    },
  );
  return rows.map((row) => Object.fromEntries(columns.map((name) => [name, plain(row[name])])));
}

const plain = (value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);

/** Names of a column's classes, which `datasets` keeps in the file's metadata. */
function classNames({ key_value_metadata: entries = [] }: FileMetaData, column: string): unknown[] {
  const json = entries.find(({ key }) => key === "huggingface")?.value;
  if (json === undefined) return [];
  try {
    const parsed = JSON.parse(json) as { info?: { features?: Record<string, { names?: unknown }> } };
    const names = parsed.info?.features?.[column]?.names;
    return Array.isArray(names) ? names : [];
  } catch {
    return []; // numbers are labels too
  }
}

function labelOf(value: unknown, classes: readonly unknown[] = []): string | undefined {
  const name = typeof value === "number" ? (classes[value] ?? value) : value;
  return typeof name === "string" || typeof name === "number" ? `${name}` : undefined;
}

/** Bytes of pictures that are kept; a row group of `datasets` has 100 pictures. */
const keptBytes = 2 ** 29;

const pictures = new LRUCache<string, Picture[], RowGroup>({
  maxSize: keptBytes,
  sizeCalculation: (cells) =>
    Math.max(
      1,
      cells.reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0),
    ),
  fetchMethod: async (_key, _stale, { context: group }) => {
    const rows = await readRows(group.file, [group.imageColumn], group);
    return rows.map((row) => pictureOf(row[group.imageColumn]));
  },
});

interface Picture {
  readonly bytes?: Uint8Array | undefined;
  readonly path?: string | undefined;
}

function pictureOf(cell: unknown): Picture {
  if (cell instanceof Uint8Array) return { bytes: cell };
  if (typeof cell === "string") return { path: cell };
  if (!isRecord(cell)) return {};
  const { bytes, path } = cell;
  return {
    bytes: bytes instanceof Uint8Array ? bytes : undefined,
    path: typeof path === "string" ? path : undefined,
  };
}

/** Embedded bytes, or the file that is named, relative to the Parquet file's folder. */
async function loadPicture(group: RowGroup, at: number): Promise<Uint8Array> {
  const { bytes, path } = (await pictures.forceFetch(group.key, { context: group }))[at]!;
  if (bytes) return bytes;
  const where = `${group.file.path}:${group.start + at + 1}`;
  if (path === undefined || path === "")
    throw new ConfigError(`${where}: ${group.imageColumn} must hold a picture, but is empty`, {
      code: "data",
    });
  return readNamed(resolve(dirname(group.file.path), path), where);
}
