/** Models by whatever name a user has for them. */

import { existsSync } from "node:fs";
import { TesseraeError } from "../errors.ts";
import { ModelStore } from "../store/store.ts";
import { resolveModel } from "../weights/hub.ts";

/**
 * The folder of a model: a folder itself, a version in the store (`name`, `name@3`), or a model on the hub, which is
 * downloaded where the cache lacks it.
 * @throws ConfigError when it is none of these.
 */
export async function findModel(nameOrFolder: string, store = new ModelStore()): Promise<string> {
  if (existsSync(nameOrFolder)) return (await resolveModel(nameOrFolder)).folder;
  const isStoreName = /^[\w.-]+(@\d+)?$/.test(nameOrFolder);
  const stored = isStoreName ? await inStore(nameOrFolder, store) : undefined;
  if (typeof stored === "string") return stored;
  // Names with "@" are the store's alone; one without "/" may be an old model of the hub.
  if (stored && nameOrFolder.includes("@")) throw stored;
  try {
    return (await resolveModel(nameOrFolder)).folder;
  } catch (error) {
    throw stored ?? error;
  }
}

/** The version's folder, or why there is none. */
async function inStore(ref: string, store: ModelStore): Promise<string | TesseraeError> {
  try {
    return (await store.get(ref)).folder;
  } catch (error) {
    if (error instanceof TesseraeError && error.code === "not_found") return error;
    throw error;
  }
}
