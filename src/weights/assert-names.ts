/** Compares the tensors a model expects with those a checkpoint has, and reports every difference at once. */

import { WeightError } from "../errors.ts";

export interface AssertNamesOptions {
  /** Names in the checkpoint that may be left over, such as `/position_ids$/`. */
  ignoreUnexpected?: readonly RegExp[];
  /** Names that may be absent from the checkpoint, or there in another shape, such as a new classification head. */
  allowMissing?: readonly RegExp[];
}

/** What was let pass: names to initialise, and names of the checkpoint to leave. */
export interface NameDifferences {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

type Shapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/** Names shown of each kind of difference. */
const shownNames = 10;

/**
 * Checks that `found` has every expected name with the expected shape and nothing else.
 * Returns the tolerated differences. @throws WeightError listing all missing, unexpected and misshaped names.
 */
export function assertNames(
  where: string,
  expected: Shapes,
  found: Shapes,
  { ignoreUnexpected = [], allowMissing = [] }: AssertNamesOptions = {},
): NameDifferences {
  const missing = [...expected.keys()].filter((name) => !found.has(name));
  const misshaped = [...expected.keys()].filter((name) =>
    hasOtherShape(expected.get(name)!, found.get(name)),
  );
  const unexpected = [...found.keys()].filter((name) => !expected.has(name));

  const isAllowed = (name: string): boolean => matchesAny(allowMissing, name);
  const isIgnored = (name: string): boolean => matchesAny(ignoreUnexpected, name);
  const showShapes = (name: string): string =>
    `${name}: expected [${expected.get(name)!.shape.join(", ")}], ` +
    `checkpoint has [${found.get(name)!.shape.join(", ")}]`;
  const faults = [
    listNames(
      "missing",
      missing.filter((name) => !isAllowed(name)),
    ),
    listNames("misshaped", misshaped.filter((name) => !isAllowed(name)).map(showShapes)),
    listNames(
      "unexpected",
      unexpected.filter((name) => !isIgnored(name)),
    ),
  ].filter((fault) => fault !== undefined);
  if (faults.length > 0) {
    throw new WeightError(`${where}: the checkpoint does not fit the model\n${faults.join("\n")}`);
  }
  return { missing: [...missing, ...misshaped], unexpected };
}

const hasOtherShape = (
  expected: { readonly shape: readonly number[] },
  found: { readonly shape: readonly number[] } | undefined,
): boolean => found !== undefined && expected.shape.join() !== found.shape.join();

const matchesAny = (patterns: readonly RegExp[], name: string): boolean =>
  patterns.some((pattern) => name.search(pattern) >= 0);

/** `missing (12): a, b, … and 2 more`; undefined for no names. */
function listNames(kind: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const more = names.length > shownNames ? `; and ${names.length - shownNames} more` : "";
  return `  ${kind} (${names.length}): ${names.slice(0, shownNames).join("; ")}${more}`;
}
