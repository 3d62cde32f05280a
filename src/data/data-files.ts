/** Which files a path stands for, and the format of each. */

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";

export type DataFormat = "csv" | "tsv" | "jsonl" | "conll" | "squad" | "text";

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

/** By the extension, before `.gz`; undefined where it is not known. */
function knownFormat(path: string): DataFormat | undefined {
  const extension = /\.([^./\\]+)(?:\.gz)?$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  return formatByExtension[extension];
}

/** A file's format by its extension. @throws ConfigError when that is not known. */
export function formatOf(path: string): DataFormat {
  const format = knownFormat(path);
  if (format) return format;
  const known = Object.keys(formatByExtension).join(", ");
  throw new ConfigError(`${path}: its extension must be one of ${known} (or with .gz); else give the format`);
}

/**
 * The file itself; of a folder all files inside it and its folders, sorted by their paths, that are not hidden and have
 * one of `formats` by their extension (any extension without `formats`).
 * @throws ConfigError when a folder holds no such file.
 */
export async function dataFilesAt(path: string, formats?: readonly DataFormat[]): Promise<string[]> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false, // reading the file says what is wrong
  );
  if (!isFolder) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !formats || formats.includes(knownFormat(file)!))
    .sort();
  if (files.length > 0) return files;
  const wanted = formats ? ` of a format for this task (${formats.join(", ")})` : "";
  throw new ConfigError(`${path}: the folder must hold a file${wanted}, but has none`, { code: "data" });
}
