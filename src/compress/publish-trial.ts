/** The chosen model of a search, and its variant, in the store. */

import { cp } from "node:fs/promises";
import { join } from "node:path";
import { type Lineage, readManifest } from "../store/manifest.ts";
import type { ModelStore, StoredVersion } from "../store/store.ts";
import { addVariant, openVariant } from "../store/variants.ts";
import { variantFile } from "../weights/variant-folder.ts";
import { type Figures, metricsOf } from "./figures.ts";
import type { Trial } from "./trial-folder.ts";

export interface Published {
  /** `name@version`, with `:variant`. */
  readonly ref: string;
  readonly folder: string;
}

/** Copies what a trial made; its figures go into the manifest or into `variant.json`. */
export async function publishTrial(
  path: string,
  { model, variant, figures }: Trial & { readonly figures: Figures },
  name: string,
  store: ModelStore,
  lineage: Lineage,
): Promise<Published> {
  const folder = join(path, model);
  const own = await readManifest(folder);
  const version: StoredVersion = await store.add(name, folder, {
    task: own.task,
    ...(own.labels && { labels: own.labels }),
    metrics: variant === undefined ? metricsOf(figures) : own.metrics,
    lineage: { ...own.lineage, ...lineage },
  });
  if (variant === undefined) return { ref: version.ref, folder: version.folder };
  const { folder: source, record } = await openVariant(folder, variant);
  const fill = (target: string): Promise<void> =>
    cp(source, target, { recursive: true, filter: (file) => !file.endsWith(variantFile) });
  const { kind, config, tolerance } = record;
  const metrics = { ...record.metrics, ...metricsOf(figures) };
  const stored = await addVariant(version.folder, variant, fill, {
    ...{ kind, config, tolerance, metrics },
    lineage: { ...record.lineage, ...lineage },
  });
  return { ref: `${version.ref}:${variant}`, folder: stored.folder };
}
