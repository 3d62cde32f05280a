/** Plain text files, gzipped or not, and folders of them, as a stream of texts of bounded size. */

import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { ConfigError, TesseraeError } from "../errors.ts";

const chunkBytes = 1 << 20;
/** A run without white space is cut beyond this many characters. */
const maxRunChars = 1 << 22;

/**
 * The texts of files and folders, in the order given; a folder's files by name, hidden ones left out. A file comes in
 * pieces of about 1 MB that begin with white space wherever they were cut.
 * @throws ConfigError when a path is missing, holds no file, or a file is not UTF-8.
 */
export async function* readCorpus(paths: readonly string[]): AsyncGenerator<string> {
  for (const path of paths) for (const file of await filesOf(path)) yield* readPieces(file);
}

async function filesOf(path: string): Promise<string[]> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (cause) {
    throw new ConfigError(`${path}: there is no such file or folder`, { code: "not_found", cause });
  }
  if (!isFolder) return [path];
  const names = await readdir(path, { recursive: true, withFileTypes: true });
  const files = names
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (files.length === 0) throw new ConfigError(`${path}: must hold text files, but has none`);
  return files;
}

async function* readPieces(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let carried = "";
  try {
    for await (const bytes of streamOf(file)) {
      const text = carried + decoder.decode(bytes as Buffer, { stream: true });
      const cut = text.length > maxRunChars ? text.length : lastRunOfSpace(text);
      yield text.slice(0, cut);
      carried = text.slice(cut);
    }
    yield carried + decoder.decode();
  } catch (cause) {
    if (cause instanceof TesseraeError) throw cause;
    const reason = cause instanceof TypeError ? "is not UTF-8 text" : `cannot be read (${cause})`;
    throw new ConfigError(`${file}: ${reason}`, { code: "data", cause });
  }
}

function streamOf(file: string): AsyncIterable<unknown> {
  const bytes = createReadStream(file, { highWaterMark: chunkBytes });
  if (!file.endsWith(".gz")) return bytes;
  return pipeline(bytes, createGunzip({ chunkSize: chunkBytes }), () => {});
}

/** Where the last run of white space begins; 0 where there is none. */
function lastRunOfSpace(text: string): number {
  let end = text.length;
  while (end > 0 && !isSpace(text.charCodeAt(end - 1))) end--;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--;
  return end;
}

/** True for what `\s` matches. */
export function isSpace(code: number): boolean {
  if (code < 128) return code === 32 || (code >= 9 && code <= 13);
  return code === 0xa0 || (code >= 0x1680 && otherSpace.test(String.fromCharCode(code)));
}

const otherSpace = /\s/;
