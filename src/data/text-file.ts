/** Data files as text: decompressed, decoded and numbered by line. */

import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { ConfigError } from "../errors.ts";

export interface TextFile {
  file: string; // its path, for messages
  text: string; // without a byte order mark
  badLines: ReadonlySet<number>; // lines, from 1, that are not valid UTF-8
}

/** A row that cannot be used, and why. */
export interface BadRow {
  file: string;
  line: number; // from 1
  reason: string;
  kind?: string; // what rows are counted by, such as "duplicate"
}

/** Kind of a row without a picture. */
export const missingImage = "missing image";

/** What is wrong with the row in hand; readers turn it into a `BadRow`. */
export class RowError extends Error {
  constructor(
    message: string,
    readonly kind?: string,
  ) {
    super(message);
  }
}

/** Reads a file, gzipped or not. @throws ConfigError when it is missing, empty, damaged or UTF-16. */
export async function readTextFile(file: string): Promise<TextFile> {
  const bytes = await readBytes(file);
  if (bytes.length === 0) throw new ConfigError(`${file}: is empty`, { code: "data" });
  const mark = bytes.length > 1 ? bytes.readUInt16BE(0) : 0;
  if (mark === 0xfffe || mark === 0xfeff) {
    throw new ConfigError(`${file}: must be UTF-8, but is UTF-16; convert it first`, { code: "data" });
  }
  try {
    return { file, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), badLines: new Set() };
  } catch {
    return { file, text: new TextDecoder("utf-8").decode(bytes), badLines: findBadLines(bytes) };
  }
}

/** Most bytes a gzipped file may have after decompression. */
const maxBytes = 2 ** 31;

/** A file's bytes, decompressed where it is gzip. @throws ConfigError when it is missing, damaged or beyond 2 GiB. */
export async function readBytes(file: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT")
      throw new ConfigError(`${file}: there is no such file`, { code: "not_found", cause });
    throw new ConfigError(`${file}: cannot be read (${message})`, { cause });
  }
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (!isGzip) return bytes;
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    throw new ConfigError(`${file}: is damaged gzip or beyond 2 GiB (${(cause as Error).message})`, {
      code: "data",
      cause,
    });
  }
}

function findBadLines(bytes: Buffer): Set<number> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const badLines = new Set<number>();
  let start = 0;
  for (let line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      badLines.add(line);
    }
    start = end + 1;
  }
  return badLines;
}

export interface Line {
  line: number; // from 1
  text: string; // without its line end
}

/** The file's lines; those that are not valid UTF-8 go to `badRows`. */
export function linesOf(source: TextFile, badRows: BadRow[]): Line[] {
  const texts = source.text.split("\n");
  if (texts.at(-1) === "") texts.pop();
  const lines = texts.map((text, i) => ({
    line: i + 1,
    text: text.endsWith("\r") ? text.slice(0, -1) : text,
  }));
  if (source.badLines.size === 0) return lines;
  for (const line of source.badLines) badRows.push({ file: source.file, line, reason: notUtf8 });
  return lines.filter(({ line }) => !source.badLines.has(line));
}

export const notUtf8 = "is not valid UTF-8";

export const badRowOf = ({ message, kind }: RowError, file: string, line: number): BadRow => ({
  file,
  line,
  reason: message,
  ...(kind !== undefined && { kind }),
});

/** Runs `convert` on each row; a `RowError` makes the row a bad one. */
export function convertRows<Row extends { line: number }, T>(
  file: string,
  rows: readonly Row[],
  badRows: BadRow[],
  convert: (row: Row) => T,
): T[] {
  const results: T[] = [];
  for (const row of rows) {
    try {
      results.push(convert(row));
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      badRows.push(badRowOf(error, file, row.line));
    }
  }
  return results;
}
