/** Where indexes are, and which model made one. */

import { isAbsolute, join, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import type { Catalog } from "../store/catalog.ts";
import { contentHashOf, hashFiles } from "../store/manifest.ts";
import { defaultStoreRoot } from "../store/store.ts";
import type { IndexAbout } from "./index-file.ts";

/** The folder of an index: a path as it is, a name within the store. */
export function indexFolder(nameOrPath: string): string {
  if (/[\\/]|^\.+$/.test(nameOrPath) || isAbsolute(nameOrPath)) return resolve(nameOrPath);
  if (/^\w[\w.-]*$/.test(nameOrPath)) return join(defaultStoreRoot(), "indexes", nameOrPath);
  throw new ConfigError(
    `index "${nameOrPath}": a name has letters, digits, ".", "_" and "-"; give a path with "/" for a folder`,
  );
}

/** A model as an index remembers it, and the folder to open. @throws ConfigError when there is no such model. */
export async function locateEncoder(
  ref: string,
  catalog: Catalog,
): Promise<Omit<IndexAbout, "data"> & { readonly folder: string }> {
  const located = await catalog.locate(ref);
  const { folder, manifest, source, variant } = located;
  const isKept = manifest !== undefined && variant === undefined;
  return {
    folder,
    model: source === "folder" ? folder : located.ref,
    modelHash: isKept ? contentHashOf(manifest.files) : contentHashOf(await hashFiles(folder)),
  };
}
