/** The index of a tar archive: names, places and sizes of its files. POSIX.1-2001 (ustar and pax) and GNU long names. */

import { open } from "node:fs/promises";
import { LRUCache } from "lru-cache";
import { ConfigError } from "../errors.ts";
import { readBytes } from "./text-file.ts";

export interface TarEntry {
  readonly name: string;
  readonly start: number; // bytes from the archive's beginning
  readonly sizeBytes: number;
}

/** An archive that is read in parts. */
export interface Archive {
  readonly path: string;
  readonly sizeBytes: number;
  read(start: number, sizeBytes: number): Promise<Buffer>;
}

/** Decompressed archives, the last ones used; any single one fits. */
const decompressed = new LRUCache<string, Buffer>({
  maxSize: 2 ** 31,
  sizeCalculation: ({ length }) => Math.max(1, length),
  fetchMethod: readBytes,
});

const bytesOf = (path: string): Promise<Buffer> => decompressed.forceFetch(path);

/** A .tar is read from its file part by part; a compressed one is decompressed in memory when it is read. */
export async function openArchive(path: string): Promise<Archive> {
  if (path.toLowerCase().endsWith("gz")) {
    decompressed.delete(path); // it may have changed since it was opened before
    const { length } = await bytesOf(path);
    const read = async (start: number, size: number): Promise<Buffer> =>
      (await bytesOf(path)).subarray(start, start + size);
    return { path, sizeBytes: length, read };
  }
  const file = await open(path);
  const { size } = await file.stat().finally(() => file.close());
  return { path, sizeBytes: size, read: (start, sizeBytes) => readPart(path, start, sizeBytes) };
}

async function readPart(path: string, start: number, sizeBytes: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(sizeBytes), 0, sizeBytes, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

const blockBytes = 512;
const readAheadBytes = 2 ** 16;

/** Every regular file, in its order. @throws ConfigError (code `data`) where a header is damaged or a file is cut off. */
export async function listTar(archive: Archive): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  const blocks = new BlockReader(archive);
  let longName: string | undefined;
  for (let at = 0; at + blockBytes <= archive.sizeBytes; ) {
    const header = parseHeader(await blocks.read(at, blockBytes), archive.path, at);
    if (!header) break; // a block of zeros ends the archive
    const { name, type, sizeBytes } = header;
    const start = at + blockBytes;
    if (start + sizeBytes > archive.sizeBytes) {
      throw damaged(archive.path, at, `"${name}" has ${sizeBytes} bytes, which is more than is left`);
    }
    if (type === "L" || type === "x")
      longName = nameIn(type, await blocks.read(start, Math.min(sizeBytes, 2 ** 16)));
    else {
      if (type === "0") entries.push({ name: longName ?? name, start, sizeBytes });
      if (type !== "g") longName = undefined;
    }
    at = start + Math.ceil(sizeBytes / blockBytes) * blockBytes;
  }
  return entries;
}

const damaged = (path: string, at: number, rule: string): ConfigError =>
  new ConfigError(`${path}: is a damaged tar archive at byte ${at}: ${rule}`, { code: "data" });

/** Reads headers with what follows them, since the next one is often near. */
class BlockReader {
  private start = 0;
  private held: Buffer = Buffer.alloc(0);

  constructor(private readonly archive: Archive) {}

  async read(at: number, sizeBytes: number): Promise<Buffer> {
    if (at < this.start || at + sizeBytes > this.start + this.held.length) {
      this.start = at;
      this.held = await this.archive.read(at, Math.max(sizeBytes, readAheadBytes));
    }
    return this.held.subarray(at - this.start, at - this.start + sizeBytes);
  }
}

interface Header {
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
}

function parseHeader(block: Buffer, path: string, at: number): Header | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  const checksum = Number.parseInt(textOf(block, 148, 8), 8);
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
  if (checksum !== sum) throw damaged(path, at, `the header's checksum must be ${sum}, got ${checksum}`);
  const isUstar = textOf(block, 257, 5) === "ustar";
  const prefix = isUstar && block[263] === 0x30 ? textOf(block, 345, 155) : "";
  const name = textOf(block, 0, 100);
  const type = block[156] ? String.fromCharCode(block[156]) : "0";
  return { name: prefix ? `${prefix}/${name}` : name, type, sizeBytes: numberOf(block) };
}

const textOf = (block: Buffer, start: number, length: number): string => {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field
    .subarray(0, end < 0 ? length : end)
    .toString("utf8")
    .trim();
};

/** The size: octal digits, or for 8 GiB and more a big-endian number with the first bit set. */
const numberOf = (block: Buffer): number =>
  block[124]! & 0x80 ? Number(block.readBigUInt64BE(128)) : Number.parseInt(textOf(block, 124, 12) || "0", 8);

/** The name that a GNU long-name record or a pax header gives the next file. */
function nameIn(type: string, content: Buffer): string | undefined {
  if (type === "L") return textOf(content, 0, content.length);
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(content.toString("utf8"))?.[1];
}
