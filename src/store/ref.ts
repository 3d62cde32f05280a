/** Names of models in the store and references to their versions. */

import { ConfigError } from "../errors.ts";

const namePattern = /^[a-z0-9][a-z0-9._-]{0,95}$/i;

/** @throws ConfigError when `name` is not up to 96 letters, digits, `.`, `_` and `-` that start with a letter or digit. */
export function assertStoreName(name: string): void {
  if (namePattern.test(name)) return;
  throw new ConfigError(
    `model name "${name.slice(0, 120)}": expected up to 96 letters, digits, ".", "_" and "-", ` +
      "starting with a letter or digit",
  );
}

/** Splits `name` or `name@3`; the version is undefined for the newest. @throws ConfigError for anything else. */
export function parseRef(ref: string): { name: string; version?: number } {
  const [name = "", version, ...rest] = ref.split("@");
  assertStoreName(name);
  if (version === undefined) return { name };
  if (!/^[1-9]\d{0,8}$/.test(version) || rest.length > 0) {
    throw new ConfigError(
      `model "${ref}": expected a name, or a name and a version number such as ${name}@1`,
    );
  }
  return { name, version: Number(version) };
}

/**
 * The store's name of a hub model or folder: its last part, so `google-bert/bert-base-uncased` becomes
 * `bert-base-uncased`. Models of one name from two organisations become versions of one; pass a name to keep them apart.
 * @throws ConfigError when the last part is not a store name.
 */
export function storeNameOf(modelOrFolder: string): string {
  const name = modelOrFolder.split(/[\\/]/).findLast((part) => part !== "") ?? "";
  assertStoreName(name);
  return name;
}
