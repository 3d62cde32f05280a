/** Names of models in the store and references to their versions and variants. */

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

const variantPattern = /^[a-z][a-z0-9._-]{0,31}$/;

/** @throws ConfigError when `name` is not up to 32 small letters, digits, `.`, `_` and `-` that start with a letter. */
export function assertVariantName(name: string): void {
  if (variantPattern.test(name)) return;
  throw new ConfigError(
    `variant name "${name.slice(0, 120)}": expected up to 32 small letters, digits, ".", "_" and "-", ` +
      "starting with a letter",
  );
}

/** The parts of a reference. Without a version it means the newest, without a variant the version itself. */
export interface ModelRef {
  readonly name: string;
  readonly version?: number;
  readonly variant?: string;
}

/** Splits `name`, `name@3`, `name@int8` or `name@3:int8`. @throws ConfigError for anything else. */
export function parseRef(ref: string): ModelRef {
  const [name = "", place, ...rest] = ref.split("@");
  assertStoreName(name);
  if (place === undefined) return { name };
  const { version, variant } =
    /^(?:(?<version>[1-9]\d{0,8})(?::|$))?(?<variant>.*)$/.exec(place)?.groups ?? {};
  if (
    (!version && !variant) ||
    (variant && !variantPattern.test(variant)) ||
    place.endsWith(":") ||
    rest.length > 0
  ) {
    throw new ConfigError(
      `model "${ref}": expected a name, or a name with a version, a variant or both, such as ${name}@1, ` +
        `${name}@int8 or ${name}@1:int8`,
    );
  }
  return { name, ...(version && { version: Number(version) }), ...(variant && { variant }) };
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
