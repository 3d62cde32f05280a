/** What a model folder says of itself. */

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { modelFile } from "../models/open.ts";
import type { StoredVariant, VariantRecord } from "../store/variants.ts";
import { sizeOf } from "../tensor/tensor.ts";
import { openCheckpoint, weightsFile } from "../weights/checkpoint.ts";

/** Numbers stored in a folder's checkpoint. */
export async function countParameters(folder: string): Promise<number> {
  const checkpoint = await openCheckpoint(folder);
  try {
    return [...checkpoint.entries.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  } finally {
    await checkpoint.close();
  }
}

/** What `list` and `info` say of a variant; `sizeBytes` is that of the files it opens. */
export const describeVariant = ({ name, record }: StoredVariant) => ({
  name,
  kind: record.kind,
  sizeBytes: variantSize(record),
  metrics: record.metrics,
  createdAt: record.createdAt,
});

/** Bytes of a variant's graph and weights. */
const variantSize = ({ files }: VariantRecord): number =>
  [modelFile, weightsFile].reduce((sum, name) => sum + (files[name]?.sizeBytes ?? 0), 0);

/** Bytes of the files at the top of a folder, by name. */
export async function fileSizes(folder: string): Promise<Record<string, number>> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  return sizesOf(folder, files.sort());
}

/** Bytes of files of a folder, by their paths in it. */
export async function sizesOf(folder: string, files: readonly string[]): Promise<Record<string, number>> {
  const sizes = await Promise.all(files.map(async (name) => [name, (await stat(join(folder, name))).size]));
  return Object.fromEntries(sizes) as Record<string, number>;
}
