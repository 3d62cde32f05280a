/** What a model folder says of itself. */

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ConfigJson } from "../models/config.ts";
import type { TaskName } from "../models/model.ts";
import { sizeOf } from "../tensor/tensor.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";

/** Tasks whose classes have names. */
const labelled: readonly TaskName[] = ["text-classification", "token-classification", "image-classification"];

/** `{ labels }` in the order of the classes where the task and config.json name them; else nothing. */
export function labelsIn(config: ConfigJson, task: TaskName): { labels?: string[] } {
  if (!labelled.includes(task) || typeof config.id2label !== "object" || config.id2label === null) return {};
  const entries = Object.entries(config.id2label as Record<string, string>);
  return { labels: entries.sort(([a], [b]) => Number(a) - Number(b)).map(([, label]) => label) };
}

/** Numbers stored in a folder's checkpoint. */
export async function countParameters(folder: string): Promise<number> {
  const checkpoint = await openCheckpoint(folder);
  try {
    return [...checkpoint.entries.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  } finally {
    await checkpoint.close();
  }
}

/** Bytes of the files at the top of a folder, by name. */
export async function fileSizes(folder: string): Promise<Record<string, number>> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const sizes = await Promise.all(
    files.sort().map(async (name) => [name, (await stat(join(folder, name))).size]),
  );
  return Object.fromEntries(sizes) as Record<string, number>;
}
