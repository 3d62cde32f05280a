/** The store's work on folders. */

import { constants, existsSync } from "node:fs";
import { cp, readdir, rename, stat } from "node:fs/promises";
import { ConfigError } from "../errors.ts";

/** Fills a staging folder with a version's files. */
export type FillFolder = (folder: string) => Promise<void>;

/** Copies a folder, links followed, or runs `source`. @throws ConfigError when there is no such folder. */
export async function fillFolder(folder: string, source: string | FillFolder): Promise<void> {
  if (typeof source === "function") return source(folder);
  const info = await stat(source).catch(() => undefined);
  if (!info?.isDirectory()) throw new ConfigError(`store: ${source} is not a folder`, { code: "not_found" });
  // COPYFILE_FICLONE shares blocks where the file system can.
  await cp(source, folder, { recursive: true, dereference: true, mode: constants.COPYFILE_FICLONE });
}

/** Names in a folder, none when there is no such folder. */
export async function readFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

/** Renames a folder; false when the name was taken meanwhile. */
export async function renameUnlessTaken(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (existsSync(to)) return false;
    throw error;
  }
}
