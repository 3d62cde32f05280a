/** From a finished training run to a version in the store. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readConfig } from "../models/config.ts";
import { encodeModel, modelFile } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { hashFile, type Lineage } from "../store/manifest.ts";
import { ModelStore, type StoredVersion } from "../store/store.ts";
import type { FitResult } from "../train/trainer.ts";
import { labelsIn } from "./labels.ts";

/** Where a version comes from; data files are hashed. */
export interface Origin extends Omit<Lineage, "data"> {
  readonly dataFiles: readonly string[];
}

/** Adds the best model, with its ONNX graph, to the store. */
export async function storeTrained(
  name: string,
  { modelFolder, metrics }: FitResult,
  { dataFiles, ...origin }: Origin,
  store = new ModelStore(),
): Promise<StoredVersion> {
  const config = await readConfig(modelFolder);
  const { task } = architectureOf(config, modelFolder);
  const { bytes } = await encodeModel(modelFolder);
  await writeFile(join(modelFolder, modelFile), bytes);
  const hashes = dataFiles.map(async (path) => [path, (await hashFile(path)).sha256] as const);
  return store.add(name, modelFolder, {
    task,
    ...labelsIn(config, task),
    metrics: finite(metrics),
    lineage: { ...origin, data: Object.fromEntries(await Promise.all(hashes)) },
  });
}

const finite = (metrics: FitResult["metrics"]): Record<string, number> =>
  Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
