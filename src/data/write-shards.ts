/** Writing WebDataset shards: tar archives (POSIX.1-2001, ustar) in which the files of one example share a name. */

import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { writeFully } from "../weights/atomic.ts";

const blockBytes = 512;
/** Bytes after which the next shard begins. */
const shardBytes = 2 ** 29;

/** Writes `00000.tar`, `00001.tar` … into a folder. */
export class ShardWriter {
  private file: FileHandle | undefined;
  private writtenBytes = 0;
  private shards = 0;
  private samples = 0;

  constructor(private readonly folder: string) {}

  /** Adds one example: its files by extension. */
  async add(files: Readonly<Record<string, Uint8Array>>): Promise<void> {
    if (this.writtenBytes >= shardBytes) await this.close();
    this.file ??= await open(join(this.folder, `${numbered(this.shards++)}.tar`), "wx");
    const key = numbered(this.samples++);
    for (const [extension, bytes] of Object.entries(files)) {
      const padding = -bytes.length & (blockBytes - 1);
      for (const part of [header(`${key}.${extension}`, bytes.length), bytes, Buffer.alloc(padding)])
        await writeFully(this.file, part);
      this.writtenBytes += blockBytes + bytes.length + padding;
    }
  }

  /** Ends the last shard and makes it durable. */
  async close(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    this.writtenBytes = 0;
    if (!file) return;
    try {
      await writeFully(file, Buffer.alloc(2 * blockBytes)); // blocks of zeros end an archive
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

const numbered = (at: number): string => String(at).padStart(5, "0");

/** Sizes have 11 octal digits. */
const maxBytes = 8 ** 11;

/** The header of a file that all may read, dated 1970 so that the same examples give the same bytes. */
function header(name: string, sizeBytes: number): Buffer {
  if (Buffer.byteLength(name) > 100 || sizeBytes >= maxBytes)
    throw new ConfigError(`${name}: names in a shard have at most 100 bytes, files fewer than ${maxBytes}`);
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, start: number, digits: number): void => {
    block.write(`${value.toString(8).padStart(digits, "0")}\0`, start, "latin1");
  };
  block.write(name, 0, "utf8");
  octal(0o644, 100, 7); // mode
  octal(0, 108, 7); // owner
  octal(0, 116, 7); // group
  octal(sizeBytes, 124, 11);
  octal(0, 136, 11); // time
  block.write("0", 156, "latin1"); // a regular file
  block.write("ustar\x0000", 257, "latin1");
  block.fill(" ", 148, 156); // the checksum counts itself as spaces
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
