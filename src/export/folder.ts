/** Folders that appear whole or not at all. */

import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import { syncFolder, temporaryName } from "../weights/atomic.ts";

/**
 * Creates `folder` with what `fill` writes into the one it is given.
 * @throws ConfigError when there are files in it already; errors of `fill` pass through and leave nothing behind.
 */
export async function writeFolder(folder: string, fill: (staged: string) => Promise<void>): Promise<void> {
  const place = resolve(folder);
  const present = await readdir(place).catch(() => []);
  if (present.length > 0) {
    throw new ConfigError(`export: ${folder} is not empty; name a new folder, or remove what is there`);
  }
  await mkdir(dirname(place), { recursive: true });
  const staged = temporaryName(place);
  await mkdir(staged);
  try {
    await fill(staged);
    await rm(place, { recursive: true, force: true });
    await rename(staged, place);
    await syncFolder(dirname(place));
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}
