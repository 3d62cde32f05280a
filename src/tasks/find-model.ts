/** Models by whatever name a user has for them. */

import { existsSync } from "node:fs";
import { TesseraeError } from "../errors.ts";
import { Catalog } from "../store/catalog.ts";
import { resolveModel } from "../weights/hub.ts";

/**
 * The folder of a model: a folder itself, a version in the store (`name`, `name@3`), a bundled model, a variant of any of
 * them (`name@int8`, `./folder@int8`), or a model on the hub, which is downloaded where the cache lacks it.
 * @throws ConfigError when it is none of these.
 */
export async function findModel(nameOrFolder: string, catalog = new Catalog()): Promise<string> {
  if (existsSync(nameOrFolder)) return (await resolveModel(nameOrFolder)).folder;
  if (/[\\/].*@[^@/\\]+$/.test(nameOrFolder)) return (await catalog.locate(nameOrFolder)).folder;
  const isHubName = nameOrFolder.includes("/");
  if (isHubName) return (await resolveModel(nameOrFolder)).folder;
  try {
    return (await catalog.find(nameOrFolder)).folder;
  } catch (error) {
    const isUnknown = error instanceof TesseraeError && error.code === "not_found";
    // Names with "@" are the store's alone; one without "/" may be an old model of the hub.
    if (!isUnknown || nameOrFolder.includes("@")) throw error;
    return resolveModel(nameOrFolder).then(
      ({ folder }) => folder,
      () => Promise.reject(error),
    );
  }
}
