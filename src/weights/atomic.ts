/**
 * Files that are either wholly there or not there at all, also after a crash or a power cut:
 * write to a temporary name in the same folder, fsync, rename, fsync the folder.
 */

import { randomBytes } from "node:crypto";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Bytes of one system call; Linux and Node refuse 2 GiB and more. */
const maxTransferBytes = 2 ** 30;

/** The names that `fillFileAtomic` writes under. */
export const temporaryPattern = /^\..*\.tmp$/;

/** A name beside `path` that no other writer uses. */
export const temporaryName = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(6).toString("hex")}.tmp`);

/** Makes created, renamed and removed names in `folder` durable. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // Windows cannot open a folder; NTFS journals its names
  await syncFile(folder);
}

/** Makes the content of the file at `path` durable. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Appends all of `bytes`, in calls of at most 1 GiB. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let start = 0;
  while (start < bytes.length) {
    const { bytesWritten } = await handle.write(
      bytes,
      start,
      Math.min(bytes.length - start, maxTransferBytes),
    );
    start += bytesWritten;
  }
}

/** Reads from `position` until `bytes` is full or the file ends, in calls of at most 1 GiB; returns bytes read. */
export async function readFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  let start = 0;
  while (start < bytes.length) {
    const length = Math.min(bytes.length - start, maxTransferBytes);
    const { bytesRead } = await handle.read(bytes, start, length, position + start);
    if (bytesRead === 0) break;
    start += bytesRead;
  }
  return start;
}

/**
 * Creates or replaces the file at `path` with what `fill` writes.
 * When `fill` or the disk fails, the old file stays and the error of the failure is thrown.
 */
export async function fillFileAtomic(
  path: string,
  fill: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(path);
  const handle = await open(temporary, "wx");
  try {
    try {
      await fill(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Creates or replaces the file at `path` with `data` (text as UTF-8), or leaves it as it was. */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await fillFileAtomic(path, (handle) =>
    writeFully(handle, typeof data === "string" ? Buffer.from(data) : data),
  );
}

const dayMs = 24 * 3600 * 1000;

/** Removes what killed writers left in `folder`: entries whose name fits `pattern`, untouched for a day. */
export async function removeStale(folder: string, pattern: RegExp): Promise<void> {
  for (const name of (await readdir(folder)).filter((entry) => pattern.test(entry))) {
    const path = join(folder, name);
    const info = await stat(path).catch(() => undefined); // another process may be cleaning too
    if (info && Date.now() - info.mtimeMs > dayMs) await rm(path, { recursive: true, force: true });
  }
}
